import pytest
from websockets.datastructures import Headers
from websockets.http11 import Response

from streamer.client.errors import CannotConnect
from streamer.client.handshake import address, refused


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
        ("https://example.org/", "wss://example.org/ws"),
        ("wss://example.org/prod?a=1", "wss://example.org/prod?a=1"),
        ("ws://[::1]:1/ws#part", "ws://[::1]:1/ws"),
    ],
)
def test_an_address_is_what_people_type(typed: str, url: str) -> None:
    assert address(typed) == url


@pytest.mark.parametrize("typed", ["", "127.0.0.1:8080", "ftp://example.org", "http://"])
def test_what_is_no_address_is_said_so(typed: str) -> None:
    with pytest.raises(CannotConnect, match="is not a URL"):
        address(typed)


def response(status: int, body: bytes, **headers: str) -> Response:
    return Response(status, "Some Reason", Headers({name.replace("_", "-"): v for name, v in headers.items()}), body)


def test_a_refusal_speaks_with_the_servers_words() -> None:
    body = b'{"error": "This node is full.", "code": "SERVICE_UNAVAILABLE"}'
    error = refused(response(503, body, Retry_After="7"))
    assert (error.code, error.message, error.status, error.retry_after_s) == (
        "SERVICE_UNAVAILABLE",
        "This node is full.",
        503,
        7.0,
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]"])
def test_a_refusal_of_something_else_has_the_http_status(body: bytes) -> None:
    error = refused(response(502, body, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"))
    assert (error.code, error.message, error.retry_after_s) == ("HTTP_502", "Some Reason", None)
