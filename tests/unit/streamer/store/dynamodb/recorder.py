"""A DynamoDB that records what it is asked, and answers what the test says."""

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from streamer.store.dynamodb.client import Answer, Client
from streamer.store.dynamodb.requests import Request


def refusal(code: str, **answer: Any) -> ClientError:
    said: Any = {"Error": {"Code": code, "Message": "as the test says"}, **answer}
    return ClientError(said, "Operation")


CONDITION_FAILED = "ConditionalCheckFailedException"


class Recorder:
    """Answers in turn; an exception as answer is raised. When they run out, the answer is empty."""

    def __init__(self, *answers: Mapping[str, Any] | Exception) -> None:
        self.asked: list[tuple[str, Request]] = []
        self._answers = iter(answers)

    async def __call__(self, operation: str, request: Request) -> Answer:
        self.asked.append((operation, request))
        answer = next(self._answers, {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def client(self) -> Client:
        return Client(self)

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.asked]

    def requests(self, *names: str) -> Iterable[Any]:
        """One parameter, or several, of each request."""
        picked = [tuple(request.get(name) for name in names) for _, request in self.asked]
        return [values[0] for values in picked] if len(names) == 1 else picked
