"""Signatures: botocore is the reference that ours must equal."""

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]  # no stubs for the synchronous SDK
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.credentials import Credentials

from streamer.cluster.sigv4 import Call, Key, sign, verify
from streamer.errors import Forbidden

KEY = Key("AKID", "secret")
OTHER = Key("OTHER", "another secret")
NOW = 1_800_000_000.0
CALL = Call(method="POST", path="/internal/deliver", headers={"host": "10.0.0.1:8081"}, body=b"{}")


def signed(call: Call = CALL, key: Key = KEY, now: float = NOW) -> Call:
    return replace(call, headers={**call.headers, **sign(key, call, now)})


def test_what_we_sign_we_accept() -> None:
    assert verify([KEY], signed(), NOW) is KEY


def test_while_a_key_is_replaced_both_are_accepted() -> None:
    assert verify([KEY, OTHER], signed(key=OTHER), NOW) is OTHER
    assert verify([OTHER, KEY], signed(), NOW) is KEY


@pytest.mark.parametrize("skew_s", [-300, 300])
def test_a_clock_may_be_off_by_five_minutes(skew_s: int) -> None:
    assert verify([KEY], signed(), NOW + skew_s) is KEY


@pytest.mark.parametrize("skew_s", [-301, 301])
def test_a_call_that_is_older_is_refused(skew_s: int) -> None:
    with pytest.raises(Forbidden):
        verify([KEY], signed(), NOW + skew_s)


def without(call: Call, name: str) -> Call:
    return replace(call, headers={key: value for key, value in call.headers.items() if key != name})


def header(call: Call, name: str, value: str) -> Call:
    return replace(call, headers={**call.headers, name: value})


def authorization(call: Call, old: str, new: str) -> Call:
    return header(call, "authorization", call.headers["authorization"].replace(old, new))


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(replace(signed(), body=b"[]"), id="another body"),
        pytest.param(replace(signed(), path="/internal/hint"), id="another path"),
        pytest.param(replace(signed(), query="a=1"), id="another query"),
        pytest.param(replace(signed(), method="GET"), id="another method"),
        pytest.param(header(signed(), "host", "10.0.0.2:8081"), id="another host"),
        pytest.param(signed(key=OTHER), id="unknown key"),
        pytest.param(signed(key=Key("AKID", "guessed")), id="wrong secret"),
        pytest.param(signed(key=Key("AKIX", "secret")), id="wrong key id"),
        pytest.param(without(signed(), "authorization"), id="unsigned"),
        pytest.param(without(signed(), "x-amz-date"), id="no date"),
        pytest.param(header(signed(), "x-amz-date", "today"), id="unreadable date"),
        pytest.param(header(signed(), "x-amz-date", "20270116T080001Z"), id="another date"),
        pytest.param(authorization(signed(), "20270115/", "20270114/"), id="scope of another day"),
        pytest.param(authorization(signed(), "execute-api", "s3"), id="another service"),
        pytest.param(authorization(signed(), "AWS4-HMAC-SHA256", "Bearer"), id="another scheme"),
        pytest.param(authorization(signed(), "host;x-amz-date", "x-amz-date"), id="host not signed"),
        pytest.param(authorization(signed(), "host;x-amz-date", "host"), id="date not signed"),
        pytest.param(authorization(signed(), "host;", "accept;host;"), id="signed header that is not there"),
        pytest.param(authorization(signed(), "Signature=", "Signature=é"), id="signature that is no text"),
        pytest.param(header(signed(), "authorization", "AWS4-HMAC-SHA256"), id="nothing said"),
    ],
)
def test_what_was_changed_on_the_way_is_refused(forged: Call) -> None:
    with pytest.raises(Forbidden):
        verify([KEY], forged, NOW)


def botocore_signed(method: str, url: str, body: bytes, **headers: str) -> Call:
    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    SigV4Auth(Credentials(KEY.key_id, KEY.secret), "execute-api", "us-east-1").add_auth(request)
    return received(request.prepare())


def received(prepared: AWSPreparedRequest) -> Call:
    """What a server sees of a prepared request."""
    address = urlsplit(prepared.url)
    headers = {"host": address.netloc}
    for name, value in prepared.headers.items():
        raw: Any = value  # bytes where botocore has signed it
        headers[name.lower()] = raw.decode() if isinstance(raw, bytes) else str(raw)
    body = prepared.body or b""
    assert isinstance(body, bytes)
    return Call(method=str(prepared.method), path=address.path, query=address.query, headers=headers, body=body)


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "http://127.0.0.1:8081/@connections/L0SM9cOFvHcCIhw%3D", b'{"a": 1}'),
        ("POST", "http://127.0.0.1:8081/prod/@connections/a.b~c_d-e", b"\x00\xff"),
        ("GET", "http://127.0.0.1:8081/%40connections/x", b""),
        ("DELETE", "http://node.internal/@connections/x?b=2&a=1&a=0&c", b""),
    ],
)
def test_what_botocore_signs_we_accept(method: str, url: str, body: bytes) -> None:
    call = botocore_signed(method, url, body, **{"Content-Type": "application/octet-stream", "X-Spaced": " a   b "})
    assert verify([KEY], call, time.time()) is KEY


def test_our_signature_is_the_one_that_botocore_makes() -> None:
    theirs = botocore_signed("POST", "http://10.0.0.1:8081/internal/deliver", b"{}")
    stamp = theirs.headers["x-amz-date"]
    now = time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - time.timezone
    headers = {name: value for name, value in theirs.headers.items() if name in ("host", "content-type")}
    ours = sign(KEY, replace(theirs, headers=headers), now, region="us-east-1")
    assert ours["x-amz-date"] == stamp
    assert ours["authorization"] == theirs.headers["authorization"]


def test_calls_of_the_boto3_client_are_accepted() -> None:
    """`before-send` sees the request as it would go out, and answers in place of a server."""
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url="http://127.0.0.1:8081",
        region_name="eu-central-1",
        aws_access_key_id=KEY.key_id,
        aws_secret_access_key=KEY.secret,
        config=Config(retries={"max_attempts": 0}),
    )
    seen: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        seen.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), SimpleNamespace(stream=lambda: iter([b""])))

    client.meta.events.register("before-send.apigatewaymanagementapi", answer)
    client.post_to_connection(ConnectionId="0a1b.L0SM9cOFvHcCIhw=", Data=b'{"hello": "world"}')
    client.delete_connection(ConnectionId="0a1b.L0SM9cOFvHcCIhw=")
    assert [request.method for request in seen] == ["POST", "DELETE"]
    for request in seen:
        assert "%3D" in request.url
        assert verify([OTHER, KEY], received(request), time.time()) is KEY


def test_a_call_is_read_from_an_asgi_scope() -> None:
    scope = {
        "method": "POST",
        "raw_path": b"/@connections/a%3D",
        "query_string": b"a=1",
        "headers": [(b"host", b"h:1"), (b"x-two", b"1"), (b"x-two", b"2")],
    }
    call = Call.received(scope, b"body")
    assert call == Call(
        method="POST", path="/@connections/a%3D", query="a=1", headers={"host": "h:1", "x-two": "1,2"}, body=b"body"
    )
    assert verify([KEY], signed(call), NOW) is KEY
