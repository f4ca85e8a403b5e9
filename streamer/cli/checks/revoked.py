"""Whether a token that holds by itself was taken back."""

from streamer.auth.principal import Principal
from streamer.cli.table import age
from streamer.errors import StoreUnavailable
from streamer.process import opened
from streamer.settings import Settings
from streamer.store.base import now_ms
from streamer.store.finding import Finding, unknown, wrong
from streamer.store.revocations import Revocation
from streamer.telemetry.metrics import Metrics

REMEDY = "Get a new one; or `streamer token restore`, if it was a mistake."


async def examine(settings: Settings, principal: Principal) -> list[Finding]:
    """None where it was not."""
    try:
        async with opened(settings, Metrics()) as store:
            known = await store.revocations.list()
    except StoreUnavailable as error:
        return [unknown("token", f"Whether it was taken back cannot be read: {error}")]
    meant = [each for each in known if _means(each, principal)]
    return [
        wrong("token", f"It was taken back {age(each.revoked_ms, now_ms())}{_why(each)}.", REMEDY) for each in meant
    ]


def _means(revocation: Revocation, principal: Principal) -> bool:
    if revocation.tenant != principal.tenant:
        return False
    if revocation.token_id is not None:
        return revocation.token_id == principal.token_id
    before = principal.issued is None or principal.issued * 1000 < revocation.revoked_ms
    return revocation.user == principal.user and before


def _why(revocation: Revocation) -> str:
    return f" ({revocation.reason})" if revocation.reason else ""
