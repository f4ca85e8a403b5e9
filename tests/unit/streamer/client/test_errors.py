import pytest

from streamer.client.errors import CannotConnect, ConnectionLost, HandshakeRefused


@pytest.mark.parametrize(("code", "comes_back"), [(1006, True), (1012, True), (1000, False), (4500, False)])
def test_a_loss_says_whether_to_come_back(code: int, comes_back: bool) -> None:
    assert ConnectionLost(code).may_reconnect is comes_back


def test_the_text_of_an_error_is_a_sentence() -> None:
    assert str(ConnectionLost(1012, "restart")) == "The connection ended (1012: restart)."
    assert str(ConnectionLost(1006)) == "The connection ended (1006)."


def test_a_refused_handshake_is_a_kind_of_not_connecting() -> None:
    refused = HandshakeRefused("UNAUTHORIZED", "A valid token is required.", status=401)
    assert isinstance(refused, CannotConnect)
    assert str(refused) == "UNAUTHORIZED: A valid token is required."
