"""An issuer of tokens: its keys, its tokens, and the server of its JWK set."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def jwk(key: Any, key_id: str | None, **members: Any) -> dict[str, Any]:
    """A key as it stands in a set; the private one if that is given."""
    writer = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else ECAlgorithm
    made = {**writer.to_jwk(key, as_dict=True), "kid": key_id, "use": "sig", **members}
    return {name: value for name, value in made.items() if value is not None}


class Issuer:
    """Signs by its newest key (ES256); serves whatever `document` is, and counts how often it was asked."""

    def __init__(self, name: str = "https://issuer.example") -> None:
        self.name = name
        self.asked = 0
        self.status = 200
        self.key_id = ""
        self.document: Any = {"keys": []}
        self.go = asyncio.Event()  # answers wait for it
        self.go.set()
        self.url = ""
        self._port = 0
        self._server: asyncio.Server | None = None
        self._key = ec_key()
        self.rotate("k1", keep=False)

    def rotate(self, key_id: str, *, keep: bool = True) -> None:
        """A new key; the former ones stay in the set, or do not."""
        self.key_id, self._key = key_id, ec_key()
        former = self.document["keys"] if keep else []
        self.document = {"keys": [*former, jwk(self._key.public_key(), key_id)]}

    def token(self, user: str = "ann", tenant: str = "t1", *, key_id: str | None = None, **claims: Any) -> str:
        """Good for a minute; a claim that is None is left out. `key_id`: of another key than the one that signs."""
        now = int(time.time())
        whole = {"sub": user, "tenant_id": tenant, "iss": self.name, "iat": now, "exp": now + 60, **claims}
        given = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(given, self._key, "ES256", headers={"kid": key_id or self.key_id})

    async def start(self) -> None:
        """Serves, at the port of the first time."""
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/keys"

    async def stop(self) -> None:
        """Nobody answers any more."""
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.go.wait()
        body = self.document if isinstance(self.document, bytes) else orjson.dumps(self.document)
        head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(*names: str) -> AsyncIterator[list[Issuer]]:
    """Issuers of these names, each with its server."""
    issuers = [Issuer(name) for name in names]
    for each in issuers:
        await each.start()
    try:
        yield issuers
    finally:
        for each in issuers:
            await each.stop()
