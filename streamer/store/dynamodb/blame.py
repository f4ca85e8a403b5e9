"""Where the SDK would call, and whose fault it is that this does not work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from aiobotocore.session import AioSession, get_session
from botocore.exceptions import ClientError, CredentialRetrievalError

from streamer.store.dynamodb import client as clients
from streamer.store.finding import Finding, unknown, wrong

OWN_HOSTS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
CREDENTIALS: Final = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine a role."
NOT_FOR_NOW: Final = frozenset({"ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError"})
_OF_TIME: Final = ("Signature expired", "Signature not yet current")


@dataclass(frozen=True, slots=True)
class Place:
    """Where DynamoDB is looked for. `endpoint` None: AWS's own of that region. `known`: the SDK's regions there."""

    region: str | None
    endpoint: str | None
    known: Sequence[str]
    has_credentials: bool

    @property
    def others(self) -> Sequence[str]:
        return [region for region in self.known if region != self.region]

    def __str__(self) -> str:
        return f"DynamoDB in {self.region}" + (f" at {self.endpoint}" if self.endpoint else "")


async def place() -> Place:
    """From the settings of the SDK. Raises BotoCoreError, ValueError where it refuses them."""
    session = get_session()
    region = clients.region_of_settings() or session.get_config_variable("region")
    if region is None:
        return Place(None, None, (), has_credentials=True)
    known = await _regions_beside(session, region)
    try:
        has_credentials = await session.get_credentials() is not None
    except CredentialRetrievalError:
        has_credentials = False
    return Place(region, await _endpoint(session, region), known, has_credentials=has_credentials)


async def _regions_beside(session: AioSession, region: str) -> Sequence[str]:
    """Those of its partition (an account is in one), or of AWS's public one where it is in none."""
    for partition in session.get_available_partitions():
        regions: Sequence[str] = await session.get_available_regions("dynamodb", partition_name=partition)
        if region in regions:
            return regions
    return list(await session.get_available_regions("dynamodb"))


async def _endpoint(session: AioSession, region: str) -> str | None:
    async with session.create_client("dynamodb", region_name=region, config=clients.LOOKS) as sdk:
        url: str = sdk.meta.endpoint_url
    return None if url.endswith(OWN_HOSTS) else url


def before_any_call(place: Place) -> Finding | None:
    """What needs no answer to be wrong."""
    if place.region is None:
        return wrong("region", "No region is set.", "Set AWS_REGION to the one that has the tables, as eu-central-1.")
    if place.endpoint is None and place.region not in place.known:
        near = get_close_matches(place.region, place.known, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        return wrong("region", f"AWS has no region {place.region}.{hint}", "Set AWS_REGION to one that there is.")
    if not place.has_credentials:
        return wrong("credentials", "There are no credentials for AWS.", CREDENTIALS)
    return None


def clock(offset_s: float) -> Finding:
    """It is certainly off by so much."""
    way = "ahead of" if offset_s > 0 else "behind"
    what = f"This machine's clock is {lasting(abs(offset_s))} {way} the store's."
    return wrong("clock", what, "Set it right, and keep it so by NTP (chrony); until then workers take no jobs.")


def lasting(seconds: float) -> str:
    """`10 min 5 s`; under two minutes only seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes > 1 else f"{round(seconds)} s"


def of(cause: BaseException, place: Place, offset_s: float | None) -> Finding:
    """Why a call failed. `offset_s`: of the clock, where an answer told it."""
    if not isinstance(cause, ClientError):
        reason = str(cause) or f"no answer within {clients.LOOK_LIMIT_S:g} s"
        remedy = (
            "Start it, or correct AWS_ENDPOINT_URL_DYNAMODB (AWS_ENDPOINT_URL)."
            if place.endpoint
            else "Look at this machine's way to the internet, or at the VPC endpoint of DynamoDB."
        )
        return wrong("store", f"{place} cannot be reached: {reason.rstrip('.')}.", remedy)
    error: Mapping[str, Any] = cause.response.get("Error", {})
    return _of_answer(str(error.get("Code", "")), str(error.get("Message", "")), place, offset_s)


def _of_answer(code: str, message: str, place: Place, offset_s: float | None) -> Finding:
    if any(sign in message for sign in _OF_TIME):
        return _signed_at_the_wrong_time(message, offset_s)
    if code in _REFUSALS:
        check, what, remedy = _REFUSALS[code]
        return wrong(check, f"{what} ({code})", remedy)
    told = f"{place} answers {code}: {message}".rstrip(": .") + "."
    return unknown("store", told, "Try again.") if code in NOT_FOR_NOW else wrong("store", told, "See the message.")


def _signed_at_the_wrong_time(message: str, offset_s: float | None) -> Finding:
    if offset_s:
        return clock(offset_s)
    return wrong("clock", f"This machine's clock is wrong: AWS says, {message}", "Set it right (NTP).")


_REFUSALS: Final[Mapping[str, tuple[str, str, str]]] = {
    "InvalidSignatureException": ("credentials", "The secret access key is not that of the key id.", CREDENTIALS),
    "UnrecognizedClientException": ("credentials", "AWS does not know these credentials.", CREDENTIALS),
    "InvalidClientTokenId": ("credentials", "AWS does not know this access key.", CREDENTIALS),
    "MissingAuthenticationTokenException": ("credentials", "The call had no credentials.", CREDENTIALS),
    "ExpiredTokenException": ("credentials", "The session of these credentials has expired.", "Sign in to AWS again."),
    "AccessDeniedException": (
        "credentials",
        "These credentials may not describe the tables.",
        "Allow the role dynamodb:DescribeTable on the tables, and what else docs/operations.md lists.",
    ),
}
"""Error code -> check, what is wrong, what to do."""
