"""The way to DynamoDB: the SDK's clients, made here and nowhere else, and the one function that awaits them."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, Final, Literal

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, CredentialRetrievalError, NoRegionError

from streamer.errors import ConfigurationError
from streamer.store.base import Observer
from streamer.store.dynamodb import errors
from streamer.store.dynamodb.requests import Request
from streamer.store.dynamodb.transport import Transport

Answer = Mapping[str, Any]
Send = Callable[[str, Request], Awaitable[Answer]]
"""Sends one request: the operation by the SDK's name, such as "update_item", and its parameters."""
Service = Literal["dynamodb", "dynamodbstreams"]
OnCapacity = Callable[[str, Any], None]
"""Told of what a call cost: verb, and `ConsumedCapacity` per table and index."""

CALL_LIMIT_S: Final = 10.0
"""Of one call with all its retries: three times (connect + read), and the SDK's back-off between them."""
BEAT_LIMIT_S: Final = 2.0
LOOK_LIMIT_S: Final = 4.0
"""Of a call by which somebody finds out what is wrong: no fault is hidden by trying again."""


def _config(*, attempts: int, read_timeout_s: float) -> AioConfig:
    """The SDK's defaults let one call take minutes: 10 attempts and 60 s for each (botocore, legacy retry mode)."""
    return AioConfig(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=1,
        read_timeout=read_timeout_s,
        max_pool_connections=100,
        parameter_validation=False,  # requests are built by `requests`, and tested there
        tcp_keepalive=True,
        connector_args={"keepalive_timeout": 60},
        http_session_cls=Transport,
    )


CALLS: Final = _config(attempts=3, read_timeout_s=2)
BEATS: Final = _config(attempts=1, read_timeout_s=1)
LOOKS: Final = _config(attempts=1, read_timeout_s=3)


class Client:
    """Calls DynamoDB within `limit_s`, tells the observer, and raises our errors."""

    def __init__(
        self,
        send: Send,
        *,
        observer: Observer | None = None,
        on_capacity: OnCapacity | None = None,
        limit_s: float = CALL_LIMIT_S,
    ) -> None:
        self._send = send
        self._observer = observer
        self._on_capacity = on_capacity  # None: the cost of calls is not asked for
        self._limit_s = limit_s

    async def call(self, verb: str, operation: str, request: Request) -> Answer:
        """Raises ConditionFailed, InvalidRequest, Missing, Busy, StoreUnavailable; of a stream Expired, Trimmed too."""
        started = time.perf_counter()
        try:
            answer = await self._bounded(operation, request)
        except errors.ConditionFailed:
            self._observe(verb, started, None)  # a refusal is an answer
            raise
        except BaseException as error:
            self._observe(verb, started, error)
            raise
        self._observe(verb, started, None)
        if self._on_capacity is not None and "ConsumedCapacity" in answer:
            self._on_capacity(verb, answer["ConsumedCapacity"])
        return answer

    async def _bounded(self, operation: str, request: Request) -> Answer:
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._send(operation, self._asking_for_cost(operation, request))
        except errors.CAUGHT as error:
            raise errors.translated(error) from error

    def _asking_for_cost(self, operation: str, request: Request) -> Request:
        if self._on_capacity is None or not operation.endswith(("_item", "query")):
            return request
        return {**request, "ReturnConsumedCapacity": "INDEXES"}

    def _observe(self, verb: str, started: float, error: BaseException | None) -> None:
        if self._observer is not None:
            self._observer(verb, time.perf_counter() - started, error)


def region_of_settings() -> str | None:
    """AWS_REGION, which botocore does not know; None: what it finds itself."""
    return os.environ.get("AWS_REGION") or None


@asynccontextmanager
async def connected(
    config: AioConfig, service: Service = "dynamodb", *, region: str | None = None
) -> AsyncIterator[Send]:
    """A client of the SDK for as long as the process lives. Endpoint, credentials and, unless it is given, the region
    are the SDK's own variables.

    Raises ConfigurationError in one sentence, CredentialRetrievalError where those are to be had elsewhere and cannot
    be for now.
    """
    async with AsyncExitStack() as stack:
        try:
            session = aioboto3.Session(region_name=region or region_of_settings())
            sdk = await stack.enter_async_context(session.client(service, config=config))
        except NoRegionError as error:
            raise ConfigurationError("DynamoDB needs a region: set AWS_REGION.") from error
        except CredentialRetrievalError:
            raise
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(f"The AWS SDK refuses its settings for DynamoDB: {error}") from error

        async def send(operation: str, request: Request) -> Answer:
            answer: Answer = await getattr(sdk, operation)(**request)
            return answer

        yield send


@asynccontextmanager
async def on_demand(
    connect: Callable[[], AbstractAsyncContextManager[Send]], *, at_once: bool = False
) -> AsyncIterator[Send]:
    """A client that is connected at its first request: a process that makes none does not pay for it.

    With `at_once` before that, so that wrong settings are told at the start; only where credentials cannot be had for
    now, the first request asks for them again, and is refused until there are some.
    """
    async with AsyncExitStack() as stack:
        connecting = asyncio.Lock()
        made: list[Send] = []  # one, after the first request
        calls = _Calls()

        async def connected_send() -> Send:
            async with connecting:
                if not made:
                    made.append(await stack.enter_async_context(connect()))
            return made[0]

        async def send(operation: str, request: Request) -> Answer:
            with calls.one():
                return await (await connected_send())(operation, request)

        if at_once:
            with suppress(CredentialRetrievalError):
                await connected_send()
        try:
            yield send
        finally:
            await calls.close()


class _Calls:
    """Calls under way. The SDK opens connections anew for one that comes after its end, and nobody closes those."""

    def __init__(self) -> None:
        self._under_way = 0
        self._is_closed = False
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Raises ConnectionError after `close`."""
        if self._is_closed:
            raise ConnectionError("the client is closed")
        self._under_way += 1
        self._none.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._none.set()

    async def close(self) -> None:
        """Returns when none is under way any more; they have time limits of their own."""
        self._is_closed = True
        await self._none.wait()
