import orjson
import pytest

from app import handshake
from app.rest import answers
from streamer import errors
from streamer.errors import ActionError, StreamerError


def every_error() -> list[type[StreamerError]]:
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, StreamerError)]


def test_every_error_of_the_protocol_has_a_status() -> None:
    codes = {each.code for each in every_error() if each is not ActionError}
    assert codes <= answers.STATUS.keys()


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (errors.NotFound(), 404, {}),
        (errors.Unauthorized(), 401, {"www-authenticate": "Bearer"}),
        (errors.RateLimited(after_ms=1_001), 429, {"retry-after": "2"}),
        (errors.StoreUnavailable(), 503, {"retry-after": "1"}),
        (ActionError("OUT_OF_STOCK", "none left"), 422, {}),
    ],
)
def test_an_error_is_its_frame_under_the_status_of_its_code(
    error: StreamerError, status: int, headers: dict[str, str]
) -> None:
    answer = answers.refusal(error, "r1", 1.5)
    assert answer.status_code == status
    assert orjson.loads(answer.body)["error"]["code"] == error.code
    always = ("cache-control", "content-length", "content-type")
    assert {name: value for name, value in answer.headers.items() if name not in always} == headers


def test_who_is_turned_away_is_told_when_to_come_again() -> None:
    answer = answers.turned_away(handshake.full(), 1.5)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
