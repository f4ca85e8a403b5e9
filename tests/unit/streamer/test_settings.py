"""Settings: read from the environment, refused in sentences."""

import os
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from streamer.errors import ConfigurationError
from streamer.settings import Settings, is_loopback

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STREAMER_")]:
        monkeypatch.delenv(name)


def fit(**given: Any) -> Settings:
    """Settings with which both processes start, but for `given`."""
    start: dict[str, Any] = {"jwt_secret": SECRET, "cluster_key_id": "k", "cluster_secret": "s"}
    return Settings(**{**start, **given})


def test_the_defaults_are_those_of_one_machine() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.internal_port, settings.worker_port) == (
        "127.0.0.1",
        8080,
        8081,
        8082,
    )
    assert settings.store == "sqlite:///.streamer/streamer.db"
    assert settings.wakeups == {"direct", "stream", "sweep"}
    assert settings.queues == ("default",)
    assert settings.allowed_origins is None
    assert settings.max_connection_age_s == 0


def test_the_environment_is_read_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_PORT", "0")
    monkeypatch.setenv("STREAMER_ACTIONS", "acme.actions, acme.more,")
    monkeypatch.setenv("STREAMER_ALLOWED_TENANTS", "t1,t2")
    monkeypatch.setenv("STREAMER_JWT_ALGORITHMS", "RS256,ES256")
    monkeypatch.setenv("STREAMER_WAKEUPS", "sweep")
    monkeypatch.setenv("STREAMER_CONSOLE", "true")
    monkeypatch.setenv("STREAMER_JWT_ISSUER", "")
    settings = Settings.read()
    assert settings.port == 0
    assert settings.actions == ("acme.actions", "acme.more")
    assert settings.allowed_tenants == frozenset({"t1", "t2"})
    assert settings.jwt_algorithms == ("RS256", "ES256")
    assert settings.wakeups == {"sweep"}
    assert settings.console
    assert settings.jwt_issuer is None


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]  # that is the test


def test_a_wrong_value_is_refused_by_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_PORT", "http")
    monkeypatch.setenv("STREAMER_QUEUES", "a b")
    with pytest.raises(ConfigurationError, match=r"STREAMER_PORT: .*STREAMER_QUEUES\.0: ") as refused:
        Settings.read()
    assert "http" not in str(refused.value)


def test_what_is_given_wins_and_is_checked_too() -> None:
    assert Settings.read(port=1).port == 1
    with pytest.raises(ConfigurationError, match="STREAMER_MAX_IN_FLIGHT"):
        Settings.read(max_in_flight=0)
    with pytest.raises(ConfigurationError, match="STREAMER_MAX_CONNECTION_AGE_S"):
        Settings.read(max_connection_age_s=-1)


def test_secrets_never_show() -> None:
    settings = fit(cluster_secret="hidden-hidden", jwt_secret=SECRET)
    assert settings.jwt_secret == SecretStr(SECRET)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in shown
        assert "hidden-hidden" not in shown


def test_good_settings_pass_and_are_given_back() -> None:
    settings = fit(cluster_key_id_next="n", cluster_secret_next="s")
    assert settings.checked_for_node() is settings
    assert settings.checked_for_worker() is settings
    assert settings.checked_for_auth() is settings
    assert fit(auth_mode="off", jwt_secret=None).checked_for_node()
    for url in ("https://issuer.example/keys", "http://localhost:1/keys", "http://[::1]/keys", "http://127.0.0.1/"):
        assert fit(jwt_secret=None, jwt_jwks_url=url).checked_for_node()
    several = fit(jwt_secret=None, jwt_jwks_url="https://a, https://b", jwt_issuer="a, b").checked_for_node()
    assert (several.jwt_jwks_url, several.jwt_issuer) == (("https://a", "https://b"), ("a", "b"))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"jwt_secret": None}, "Set STREAMER_JWT_SECRET or"),
        ({"jwt_public_key": "PEM"}, "Set only one of STREAMER_JWT_SECRET, STREAMER_JWT_PUBLIC_KEY."),
        ({"jwt_jwks_url": "https://issuer/keys"}, "Set only one of STREAMER_JWT_SECRET, STREAMER_JWT_JWKS_URL."),
        ({"jwt_secret": None, "jwt_jwks_url": "http://issuer/keys"}, "must be an https:// URL"),
        ({"jwt_secret": None, "jwt_jwks_url": "https://a:b@issuer/keys"}, "without a password"),
        ({"jwt_secret": None, "jwt_jwks_url": "https://[issuer/keys"}, "must be an https:// URL"),
        ({"jwt_secret": None, "jwt_jwks_url": "https:///keys"}, "must be an https:// URL"),
        ({"jwt_secret": None, "jwt_jwks_url": "file:///keys"}, "must be an https:// URL"),
        ({"jwt_secret": None, "jwt_jwks_url": "https://a,https://b"}, "JWT_ISSUER must name as many"),
        ({"jwt_secret": None, "jwt_jwks_url": "https://a,https://b", "jwt_issuer": "a"}, "as many different issuers"),
        ({"jwt_secret": None, "jwt_jwks_url": "https://a,https://b", "jwt_issuer": "a,a"}, "in the same order"),
        ({"auth_mode": "off", "host": "0.0.0.0"}, "AUTH_MODE=off is for this machine only"),
        ({"jwt_secret": None, "jwt_jwks_url": "https://a", "dev_tokens": True}, "DEV_TOKENS needs STREAMER_JWT_SECRET"),
        ({"jwt_algorithms": "HS512", "dev_tokens": True}, "HS256 among the algorithms"),
    ],
)
def test_a_node_refuses(given: dict[str, Any], sentence: str) -> None:
    settings = fit(**given)
    assert settings.checked_for_worker()
    with pytest.raises(ConfigurationError, match=sentence):
        settings.checked_for_node()
    with pytest.raises(ConfigurationError, match=sentence):
        settings.checked_for_auth()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"cluster_secret": None}, "Set STREAMER_CLUSTER_KEY_ID and STREAMER_CLUSTER_SECRET"),
        ({"cluster_key_id_next": "n"}, "CLUSTER_SECRET_NEXT"),
        ({"wakeups": "stream"}, "STREAMER_WAKEUPS=stream alone finds no work on SQLite"),
        ({"wakeups": frozenset()}, "STREAMER_WAKEUPS must name at least one of direct, stream and sweep"),
        ({"session_beat_s": 1, "session_dead_s": 2}, "SESSION_DEAD_S must be at least 3 times"),
    ],
)
def test_both_processes_refuse(given: dict[str, Any], sentence: str) -> None:
    settings = fit(**given)
    for check in (settings.checked_for_node, settings.checked_for_worker):
        with pytest.raises(ConfigurationError, match=sentence):
            check()


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"CLUSTER_KEY_ID.*WAKEUPS"):
        fit(cluster_key_id=None, wakeups="stream").checked_for_worker()


@pytest.mark.parametrize("given", ["direct", "sweep", "direct,stream", "stream,sweep"])
def test_each_wakeup_alone_finds_work(given: str) -> None:
    assert fit(wakeups=given).checked_for_worker().wakeups == set(given.split(","))


def test_the_stream_alone_finds_work_where_there_is_one() -> None:
    assert fit(wakeups="stream", store="dynamodb").checked_for_worker().wakeups == {"stream"}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", ""])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_tokens_are_given_away_only_where_tokens_are_checked() -> None:
    assert fit(dev_tokens=True).checked_for_node().issues_tokens
    assert not fit().issues_tokens
    assert not fit(auth_mode="off", jwt_secret=None, dev_tokens=True).checked_for_node().issues_tokens
