import pytest

from streamer.cli.sentences import exit_code, sentence
from streamer.client import CannotConnect, ConnectionLost, HandshakeRefused, RequestFailed
from streamer.errors import ConfigurationError, StoreUnavailable


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RequestFailed("TIMEOUT", "too long"), 1),
        (StoreUnavailable(), 3),
        (ConfigurationError("Set X."), 2),
        (CannotConnect("no"), 3),
        (HandshakeRefused("FORBIDDEN", "no", status=403), 3),
        (ConnectionLost(1006), 3),
    ],
)
def test_every_kind_of_error_has_an_exit_code(error: Exception, code: int) -> None:
    assert exit_code(error) == code


def test_a_failed_request_shows_its_details() -> None:
    error = RequestFailed("VALIDATION_ERROR", "No.", details={"errors": [{"loc": ["a"]}]})
    assert sentence(error) == 'VALIDATION_ERROR: No. {"errors":[{"loc":["a"]}]}'
    assert sentence(ConnectionLost(1012)) == "The connection ended (1012)."
