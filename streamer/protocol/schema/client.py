"""What a client may say, as models: each takes what `protocol.codec` takes, and refuses what that refuses.

A null counts as absent, here as there.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from streamer.jobs import ids
from streamer.jobs.model import Priority
from streamer.protocol.codec import MAX_COUNT, MAX_DELAY_S, MAX_EXPIRES_IN_S, MAX_METADATA_BYTES, MAX_RESUMED
from streamer.protocol.messages import Mode
from streamer.protocol.schema.fields import ActionName, Attempt, Chunks, JobId, JsonObject, RequestId, Seq, Shape


class ClientShape(Shape):
    """Null counts as absent."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, said: Any) -> Any:
        return {name: value for name, value in said.items() if value is not None} if type(said) is dict else said


def _of_a_size(metadata: JsonObject) -> JsonObject:
    if len(orjson.dumps(metadata)) > MAX_METADATA_BYTES:
        raise ValueError(f"metadata is over {MAX_METADATA_BYTES} bytes")
    return metadata


class RequestOptions(ClientShape):
    """How the request is to be handled. An option that is not listed is refused."""

    model_config = ConfigDict(extra="forbid")

    priority: Annotated[Priority, Field(strict=False, description="Against other jobs of the tenant.")] = (
        Priority.NORMAL
    )
    delay_seconds: Annotated[
        float, Field(ge=0, le=MAX_DELAY_S, description="Not to be started earlier; less than `expires_in`.")
    ] = 0
    mode: Annotated[
        Mode, Field(strict=False, description="`inline` on a queued action only where the action allows it.")
    ] = Mode.AUTO
    expires_in: Annotated[
        float | None, Field(gt=0, le=MAX_EXPIRES_IN_S, description="Seconds until an outcome is pointless.")
    ] = None
    durable: Annotated[bool, Field(description="Keep the outcome in the inbox until `ack`.")] = False

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.expires_in is not None and self.delay_seconds >= self.expires_in:
            raise ValueError("delay_seconds must be less than expires_in")
        return self


class RequestFrame(ClientShape):
    """Call an action."""

    type: Literal["request"] = "request"
    id: Annotated[
        RequestId | None,
        Field(description="The idempotency key: the same id with the same action and payload runs once as a job."),
    ] = None
    request_id: Annotated[RequestId | None, Field(description="The same as `id`, which wins.")] = None
    action: ActionName
    payload: Annotated[Any, Field(description="What the action's model takes.")] = None
    metadata: Annotated[
        JsonObject | None,
        AfterValidator(lambda given: None if given is None else _of_a_size(given)),
        Field(description=f"What the handler is told besides; at most {MAX_METADATA_BYTES} bytes of JSON."),
    ] = None
    options: RequestOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def _id_wins(cls, said: Any) -> Any:
        return _without(said, "request_id") if type(said) is dict and said.get("id") is not None else said


def _either_id(schema: JsonObject) -> None:
    schema["properties"]["id"] = {**schema["properties"]["request_id"], "description": "The same as `request_id`."}
    schema["required"] = [name for name in schema["required"] if name != "request_id"]
    schema["anyOf"] = [{"required": ["request_id"]}, {"required": ["id"]}]


class _Named(ClientShape):
    """A frame about one request, by `request_id` or its alias `id`."""

    model_config = ConfigDict(json_schema_extra=_either_id)

    request_id: RequestId

    @model_validator(mode="before")
    @classmethod
    def _by_alias(cls, said: Any) -> Any:
        return _named(said) if type(said) is dict else said


class CancelFrame(_Named):
    """Stop a request, waiting or running."""

    type: Literal["cancel"]


class AckFrame(_Named):
    """I have the outcome; take it off my inbox."""

    type: Literal["ack"]


class SeenRequest(_Named):
    """How much of a request the client has."""

    attempt: Attempt = 0
    seq: Seq = 0
    chunks: Chunks = 0


def _each_once(requests: list[SeenRequest]) -> list[SeenRequest]:
    if len({each.request_id for each in requests}) < len(requests):
        raise ValueError("requests names one of them twice")
    return requests


class ResumeFrame(ClientShape):
    """I was `connection_id`, this is my `n`-th reconnect; of these requests I have this much; send the rest here."""

    model_config = ConfigDict(
        json_schema_extra={"if": {"required": ["connection_id"]}, "then": {"required": ["n"]}},
    )

    type: Literal["resume"]
    connection_id: Annotated[str | None, Field(description="Of the `welcome` or `resumed` before.")] = None
    n: Annotated[
        int | None, Field(ge=1, le=MAX_COUNT, description="Counts the reconnects; goes with `connection_id`.")
    ] = None
    requests: Annotated[list[SeenRequest], Field(max_length=MAX_RESUMED), AfterValidator(_each_once)]

    @model_validator(mode="before")
    @classmethod
    def _of_nobody(cls, said: Any) -> Any:
        """A string that can be no connection's id is nobody's, and its count says nothing."""
        was = said.get("connection_id") if type(said) is dict else None
        is_nobody = was is None or (type(was) is str and not ids.CONNECTION_ID.fullmatch(was))
        return _without(said, "n") if type(said) is dict and is_nobody else said

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if self.connection_id is not None and self.n is None and ids.CONNECTION_ID.fullmatch(self.connection_id):
            raise ValueError("n is missing, where connection_id is given")
        return self


class SubscribeFrame(ClientShape):
    """Watch somebody's job."""

    type: Literal["subscribe"]
    job_id: JobId
    attempt: Attempt = 0
    seq: Seq = 0
    chunks: Chunks = 0
    events: Annotated[
        list[Literal["progress", "chunk", "retrying", "complete", "error"]] | None,
        Field(description="The frame types that are wanted; all where absent. The outcome comes in any case."),
    ] = None


class UnsubscribeFrame(ClientShape):
    """Watch a job no more."""

    type: Literal["unsubscribe"]
    job_id: JobId


class AuthFrame(ClientShape):
    """A fresh token for this connection: of the same user and tenant, else the socket is closed with 4500."""

    type: Literal["auth"]
    token: Annotated[str, Field(description="A JWT, as in the handshake.")]


class PingFrame(ClientShape):
    """Answered by `pong`."""

    type: Literal["ping"]
    id: Annotated[int | str | None, Field(description="Comes back in the `pong`.")] = None


CLIENT_FRAMES: Final[Sequence[type[ClientShape]]] = (
    RequestFrame,
    CancelFrame,
    ResumeFrame,
    SubscribeFrame,
    UnsubscribeFrame,
    AckFrame,
    AuthFrame,
    PingFrame,
)


def type_of(model: type[Shape]) -> str:
    """The `type` of the frames that it describes."""
    return str(model.model_fields["type"].annotation.__args__[0])  # type: ignore[union-attr]  # a Literal of one


CLIENT_TYPES: Final = {type_of(model): model for model in CLIENT_FRAMES}


def _type_said(said: Any) -> str | None:
    kind = said.get("type") if type(said) is dict else None
    return "request" if kind is None else kind if type(kind) is str else None


ClientFrame = Annotated[
    Annotated[RequestFrame, Tag("request")]
    | Annotated[CancelFrame, Tag("cancel")]
    | Annotated[ResumeFrame, Tag("resume")]
    | Annotated[SubscribeFrame, Tag("subscribe")]
    | Annotated[UnsubscribeFrame, Tag("unsubscribe")]
    | Annotated[AckFrame, Tag("ack")]
    | Annotated[AuthFrame, Tag("auth")]
    | Annotated[PingFrame, Tag("ping")],
    Discriminator(_type_said),
]
"""Any frame of a client; without a `type` it is a request."""


def _without(said: JsonObject, name: str) -> JsonObject:
    return {key: value for key, value in said.items() if key != name}


def _named(said: JsonObject) -> JsonObject:
    return said if said.get("request_id") is not None else {**said, "request_id": said.get("id")}
