"""Tokens that were taken back before their time: the contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Takes back one token of a tenant by its id (`jti`), or all of a user that were issued before `revoked_ms`.

    A token that does not say when it was issued counts as issued before. Times are Unix milliseconds; from
    `expires_ms` on it is as if it had never been. Raises ValueError for both or neither of user and token id.
    """

    tenant: str
    user: str | None = None
    token_id: str | None = None
    revoked_ms: int
    expires_ms: int
    reason: str = ""  # who and why, for people

    def __post_init__(self) -> None:
        if bool(self.user) == bool(self.token_id):
            raise ValueError("a revocation is of a user or of a token")


class RevocationStore(Protocol):
    """What was revoked. Every node reads all of it, again and again: it is for a few hundred, not for every logout."""

    async def revoke(self, revocation: Revocation) -> None:
        """Stores it. Another one of the same user or token stands beside it: it neither shortens nor ends the first."""
        ...

    async def list(self) -> Sequence[Revocation]:
        """All that have not expired, as of now (a strong read), the earliest first."""
        ...

    async def lift(self, tenant: str, *, user: str | None = None, token_id: str | None = None) -> bool:
        """Removes all of this user, or of this token; those tokens hold again. False: there was none."""
        ...
