import socket
import stat
from pathlib import Path

import pytest

from streamer.cli.environment import additions, check_ports, cluster_key
from streamer.errors import ConfigurationError
from streamer.settings import Settings

KEY = ("dev-1", "secret")


def test_a_newcomer_gets_everything_set() -> None:
    assert additions({}, KEY) == {
        "STREAMER_CONSOLE": "true",
        "STREAMER_DRAIN_S": "2",
        "STREAMER_GRACE_S": "2",
        "STREAMER_AUTH_MODE": "off",
        "STREAMER_CLUSTER_KEY_ID": "dev-1",
        "STREAMER_CLUSTER_SECRET": "secret",
        "STREAMER_LOG_FORMAT": "json",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.mark.parametrize("variable", ["STREAMER_JWT_SECRET", "STREAMER_JWT_PUBLIC_KEY", "STREAMER_AUTH_MODE"])
def test_authentication_stays_as_it_was_set(variable: str) -> None:
    assert "STREAMER_AUTH_MODE" not in additions({variable: "x"}, KEY)


def test_where_a_secret_is_set_the_console_may_sign_in_with_it() -> None:
    assert additions({"STREAMER_JWT_SECRET": "x"}, KEY)["STREAMER_DEV_TOKENS"] == "true"
    assert "STREAMER_DEV_TOKENS" not in additions({"STREAMER_JWT_SECRET": "x", "STREAMER_DEV_TOKENS": "false"}, KEY)
    assert "STREAMER_DEV_TOKENS" not in additions({"STREAMER_JWT_PUBLIC_KEY": "x"}, KEY)


def test_what_is_set_is_kept_and_what_is_empty_is_not_set() -> None:
    added = additions({"STREAMER_DRAIN_S": "9", "STREAMER_CLUSTER_KEY_ID": "mine", "STREAMER_JWT_SECRET": ""}, KEY)
    assert "STREAMER_DRAIN_S" not in added
    assert "STREAMER_CLUSTER_SECRET" not in added
    assert added["STREAMER_AUTH_MODE"] == "off"


def test_the_cluster_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    key = cluster_key(path)
    assert cluster_key(path) == key
    assert key[0].startswith("dev-")
    assert len(key[1]) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["cluster.json"]


def test_of_two_first_starts_one_makes_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cluster.json"
    other = '{"key_id": "theirs", "secret": "s"}'
    monkeypatch.setattr("streamer.cli.environment.secrets.token_hex", lambda _size: path.write_text(other) and "x")
    assert cluster_key(path) == ("theirs", "s")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"key_id": "a"}', "\xff"])
def test_another_file_in_its_place_is_said_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cluster.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="delete it"):
        cluster_key(path)


def settings(**ports: int) -> Settings:
    return Settings(**({"port": 0, "internal_port": 0, "worker_port": 0} | ports))  # type: ignore[arg-type]  # ports only


@pytest.mark.parametrize(
    ("field", "variable"),
    [("port", "STREAMER_PORT"), ("internal_port", "STREAMER_INTERNAL_PORT"), ("worker_port", "STREAMER_WORKER_PORT")],
)
def test_a_port_that_is_taken_is_one_sentence(field: str, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"Port {port} of 127\.0\.0\.1 is taken: .*{variable}"):
            check_ports(settings(**{field: port}))
    check_ports(settings(**{field: port}))


def test_any_free_port_needs_no_check() -> None:
    check_ports(settings())


def test_an_address_that_is_not_ours_is_one_sentence() -> None:
    with pytest.raises(ConfigurationError, match="cannot be listened on"):
        check_ports(Settings(host="192.0.2.1", port=8080))
