"""What a process is told from outside: environment variables `STREAMER_<FIELD>`, read once, by entry points.

Below the entry points there are plain arguments. A value of the wrong form is refused field by field; what two
fields must agree on is checked by `checked_for_node` and `checked_for_worker`, with one sentence each.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from streamer.errors import ConfigurationError

PREFIX: Final = "STREAMER_"
BEATS_BEFORE_DEAD: Final = 3
"""A session may miss beats; it must have had the chance of so many before it may be taken for dead."""


def _listed(value: Any) -> Any:
    """`a, b` -> [a, b]; what is no string already is a collection."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaSeparated: Final = BeforeValidator(_listed)
Port = Annotated[int, Field(ge=0, le=65_535)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Settings(BaseSettings):
    """All settings, with the defaults of `streamer dev` on one machine. Frozen; secrets never show in `repr`.

    Raises pydantic's ValidationError on a value of the wrong form; `read` is the same with a sentence.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,  # compose files pass VARIABLE= for what is not set
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # the input may be a secret
    )

    # listening; port 0: any free one
    host: str = "127.0.0.1"
    port: Port = 8080
    internal_host: str = "127.0.0.1"
    internal_port: Port = 8081
    worker_port: Port = 8082
    advertise_host: str | None = None  # how other processes reach me; None: found out at start

    # store
    store: str = "sqlite:///.streamer/streamer.db"
    table_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = "streamer_"
    ttl_s: PositiveInt = 604_800  # how long an outcome is kept, counted from when it was written
    queue_timeout_s: PositiveInt = 518_400  # a job that has not started by then fails with TIMEOUT

    # who may call
    auth_mode: Literal["jwt", "off"] = "jwt"
    jwt_secret: SecretStr | None = None
    jwt_public_key: str | None = None  # PEM; "\n" may be written as backslash and n
    jwt_jwks_url: Annotated[tuple[str, ...] | None, NoDecode, CommaSeparated] = None  # several: one for each issuer
    jwt_algorithms: Annotated[tuple[str, ...] | None, NoDecode, CommaSeparated] = None  # None: what fits the key
    jwt_issuer: Annotated[tuple[str, ...] | None, NoDecode, CommaSeparated] = None  # None: anybody
    jwt_audience: str | None = None
    jwt_tenant_claim: str = "tenant_id"
    jwt_permissions_claim: str = "permissions"
    jwt_leeway_s: NonNegativeFloat = 0.0
    allowed_tenants: Annotated[frozenset[str] | None, NoDecode, CommaSeparated] = None  # None: all
    allowed_origins: Annotated[frozenset[str] | None, NoDecode, CommaSeparated] = None  # None: the same origin
    auth_query_token: bool = False
    token_grace_s: NonNegativeFloat = 25.0  # from a token's end to its socket's, for an `auth` frame
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, CommaSeparated] = ()  # whose X-Forwarded-For counts

    # inside the cluster; the second pair is accepted too, while the first is being replaced
    cluster_key_id: str | None = None
    cluster_secret: SecretStr | None = None
    cluster_key_id_next: str | None = None
    cluster_secret_next: SecretStr | None = None

    # work
    actions: Annotated[tuple[str, ...], NoDecode, CommaSeparated] = ()  # modules
    async_threshold_s: NonNegativeFloat = 5.0  # an action that is estimated to take longer is queued
    inline_timeout_s: PositiveFloat = 30.0
    worker_slots: PositiveInt = 100
    threads: PositiveInt = 32  # for handlers that are plain functions
    max_retries: Annotated[int, Field(ge=0)] = 3
    retry_base_s: NonNegativeFloat = 1.0
    queues: Annotated[tuple[Name, ...], NoDecode, CommaSeparated, Field(min_length=1)] = ("default",)
    wakeups: Annotated[frozenset[Literal["direct", "stream", "sweep"]], NoDecode, CommaSeparated] = frozenset(
        {"direct", "stream", "sweep"}
    )
    sweep_s: PositiveFloat = 5.0
    session_beat_s: PositiveFloat = 2.0
    session_dead_s: PositiveFloat = 10.0
    progress_live_ms: Annotated[int, Field(ge=0)] = 100
    progress_persist_ms: Annotated[int, Field(ge=0)] = 2_000

    # stopping
    drain_s: NonNegativeFloat = 20.0
    grace_s: NonNegativeFloat = 20.0

    # limits, each per node; 0: none
    max_message_bytes: PositiveInt = 131_072
    max_in_flight: PositiveInt = 64  # requests of one connection
    rate_limit: NonNegativeFloat = 100.0  # messages per second and connection
    rate_limit_per_user: NonNegativeFloat = 0.0  # messages per second of all connections of a user
    handshakes_per_address: NonNegativeFloat = 0.0  # per second; failed calls over HTTP count too
    handshake_timeout_s: PositiveFloat = 10.0  # for the headers of a request, and for the keys of its token
    max_connections: PositiveInt = 10_000
    max_connections_per_user: Annotated[int, Field(ge=0)] = 0
    max_connections_per_tenant: Annotated[int, Field(ge=0)] = 0
    max_queued_per_tenant: Annotated[int, Field(ge=0)] = 0  # jobs that wait, in all of the system
    max_connection_age_s: NonNegativeFloat = 0.0  # then it is asked to leave; a tenth of it more or less

    # showing
    console: bool = False
    dev_tokens: bool = False  # whoever asks gets the token that he asks for, signed with the secret
    contract_public: bool = False  # the contracts, which name the actions, without a token
    tracing: bool = False  # spans, by OpenTelemetry; where to is said by the OTEL_* variables
    emf: bool = False  # metrics for CloudWatch, on stdout
    emf_s: PositiveFloat = 60.0
    log_format: Literal["auto", "json", "human"] = "auto"  # auto: human on a terminal
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def read(cls, **given: Any) -> Self:
        """From the environment, `given` first. Raises ConfigurationError, which names the variables."""
        try:
            return cls(**given)
        except ValidationError as error:
            raise ConfigurationError(" ".join(_sentences(error))) from error

    @property
    def issues_tokens(self) -> bool:
        """Whether whoever asks gets a token for development."""
        return self.dev_tokens and self.auth_mode == "jwt"

    def checked_for_node(self) -> Self:
        """These settings, fit for an app node. Raises ConfigurationError."""
        _refuse(*_auth_faults(self), *_cluster_faults(self), *_work_faults(self))
        return self

    def checked_for_worker(self) -> Self:
        """These settings, fit for a worker. Raises ConfigurationError."""
        _refuse(*_cluster_faults(self), *_work_faults(self))
        return self

    def checked_for_auth(self) -> Self:
        """These settings, by which tokens can be checked. Raises ConfigurationError."""
        _refuse(*_auth_faults(self))
        return self

    def cluster_faults(self) -> list[str]:
        """What is wrong with the key pair, a sentence each."""
        return list(_cluster_faults(self))

    def work_faults(self) -> list[str]:
        """What does not go together about work, a sentence each."""
        return list(_work_faults(self))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`: localhost, 127.0.0.0/8, ::1 (in brackets or not)."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _auth_faults(settings: Settings) -> Iterable[str]:
    ways = [f"{PREFIX}{name.upper()}" for name in _KEYS if getattr(settings, name)]
    if settings.auth_mode == "off":
        if not is_loopback(settings.host):
            yield f"{PREFIX}AUTH_MODE=off is for this machine only: set {PREFIX}HOST to 127.0.0.1, not {settings.host}."
    elif not ways:
        yield (
            f"Set {PREFIX}JWT_SECRET or {PREFIX}JWT_PUBLIC_KEY or {PREFIX}JWT_JWKS_URL, by which tokens are checked."
        )
    elif len(ways) > 1:
        yield f"Set only one of {', '.join(ways)}."
    if settings.dev_tokens and settings.auth_mode == "jwt" and not _signs_by_secret(settings):
        yield f"{PREFIX}DEV_TOKENS needs {PREFIX}JWT_SECRET, and HS256 among the algorithms: tokens are signed with it."
    yield from _jwks_faults(settings.jwt_jwks_url or (), settings.jwt_issuer or ())


def _signs_by_secret(settings: Settings) -> bool:
    return settings.jwt_secret is not None and "HS256" in (settings.jwt_algorithms or ("HS256",))


_KEYS: Final = ("jwt_secret", "jwt_public_key", "jwt_jwks_url")


def _jwks_faults(urls: Sequence[str], issuers: Sequence[str]) -> Iterable[str]:
    for url in urls:
        if not _is_key_url(url):
            yield (
                f"{PREFIX}JWT_JWKS_URL must be an https:// URL without a password; http:// is for this machine only."
            )
    if len(urls) > 1 and len(set(issuers)) != len(urls):
        yield (
            f"{PREFIX}JWT_JWKS_URL has {len(urls)} URLs: {PREFIX}JWT_ISSUER must name as many different issuers, "
            "in the same order."
        )


def _is_key_url(url: str) -> bool:
    """Who answers under it says who may come in, so it must be who it says."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return "@" not in parts.netloc and bool(host) and (parts.scheme == "https" or _is_near(parts.scheme, host))


def _is_near(scheme: str, host: str) -> bool:
    return scheme == "http" and is_loopback(host)


def _cluster_faults(settings: Settings) -> Iterable[str]:
    if settings.cluster_key_id is None or settings.cluster_secret is None:
        yield f"Set {PREFIX}CLUSTER_KEY_ID and {PREFIX}CLUSTER_SECRET, the same for every node and worker."
    if (settings.cluster_key_id_next is None) != (settings.cluster_secret_next is None):
        yield f"Set both of {PREFIX}CLUSTER_KEY_ID_NEXT and {PREFIX}CLUSTER_SECRET_NEXT, or none."


def _work_faults(settings: Settings) -> Iterable[str]:
    if not settings.wakeups:
        yield f"{PREFIX}WAKEUPS must name at least one of direct, stream and sweep."
    if settings.wakeups == {"stream"} and settings.store.startswith("sqlite"):
        yield f"{PREFIX}WAKEUPS=stream alone finds no work on SQLite, which has no stream: add direct or sweep."
    if settings.session_dead_s < BEATS_BEFORE_DEAD * settings.session_beat_s:
        yield (
            f"{PREFIX}SESSION_DEAD_S must be at least {BEATS_BEFORE_DEAD} times {PREFIX}SESSION_BEAT_S, "
            "or living workers are taken for dead."
        )


def _refuse(*faults: str) -> None:
    if faults:
        raise ConfigurationError(" ".join(faults))


def _sentences(error: ValidationError) -> Iterable[str]:
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(str(part) for part in fault["loc"])
        yield f"{PREFIX}{where.upper()}: {fault['msg']}."
