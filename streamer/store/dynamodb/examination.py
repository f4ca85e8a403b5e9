"""Why DynamoDB cannot be used, in plain words. Each call is made once, and none takes longer than four seconds."""

from collections.abc import Callable, Sequence
from functools import partial

from botocore.exceptions import BotoCoreError

from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.store.dynamodb import blame, elsewhere, keys, tables
from streamer.store.dynamodb import client as clients
from streamer.store.dynamodb.blame import Place
from streamer.store.dynamodb.client import Client, Send
from streamer.store.dynamodb.clock import DateCompared
from streamer.store.dynamodb.errors import InvalidRequest
from streamer.store.dynamodb.tables import Description, Table
from streamer.store.finding import Examination, Finding, ok, unknown, wrong

CREATE = "Run `streamer tables create`."
MAX_OFFSET_S = 2.0
"""From then on workers take no jobs."""


async def examine(table_prefix: str, *, needs_stream: bool, clock: Callable[[], int]) -> Examination:
    """Settings and credentials of the SDK, whether DynamoDB answers, the clock, and the tables; up to the first of
    them without which the others cannot be looked at."""
    try:
        place = await blame.place()
    except (BotoCoreError, ValueError) as error:
        return Examination([wrong("aws", f"The AWS SDK refuses its settings: {error}", "Correct them.")])
    fault = blame.before_any_call(place)
    if fault is not None:
        return Examination([fault])
    try:
        async with clients.connected(clients.LOOKS) as send:
            return await Look(send, place, table_prefix, needs_stream=needs_stream, clock=clock).taken()
    except (BotoCoreError, ConfigurationError) as error:
        return Examination([wrong("aws", str(error), "Correct the variables of the AWS SDK.")])


class Look:
    """One examination under way."""

    def __init__(
        self, send: Send, place: Place, table_prefix: str, *, needs_stream: bool, clock: Callable[[], int]
    ) -> None:
        self._dates = DateCompared(clock)
        self._client = Client(self._dates.watching(send), limit_s=clients.LOOK_LIMIT_S)
        self._place = place
        self._prefix = table_prefix
        self._needs_stream = needs_stream
        self._tables = tables.declared(keys.TableNames(table_prefix))

    async def taken(self) -> Examination:
        try:
            found = [await tables.describe(self._client, table) for table in self._tables]
        except (StoreUnavailable, InvalidRequest) as error:
            cause = error.__cause__ or error
            fault = blame.of(cause, self._place, self._dates.offset_s)
            return self._examination([fault] if fault.check == "clock" else [fault, *self._clock()])
        answers = ok("store", f"{self._place} answers.")
        there = all(present is not None for present in found)
        return self._examination([answers, *self._clock(), *await self._of_tables(found)], can_be_read=there)

    def _examination(self, findings: Sequence[Finding], *, can_be_read: bool = False) -> Examination:
        return Examination(findings, can_be_read, self._dates.offset_s)

    def _clock(self) -> list[Finding]:
        offset_s = self._dates.offset_s
        if offset_s is None:
            return [unknown("clock", "Nothing tells the store's time.")]
        if abs(offset_s) <= MAX_OFFSET_S:
            return [ok("clock", "This clock agrees with the store's.")]
        return [blame.clock(offset_s)]

    async def _of_tables(self, found: Sequence[Description | None]) -> list[Finding]:
        missing = [table.name for table, present in zip(self._tables, found, strict=True) if present is None]
        if len(missing) == len(self._tables):
            return [await self._nowhere()]
        if missing:
            return [wrong("tables", f"{', '.join(missing)} are missing in {self._place}.", CREATE)]
        pairs = zip(self._tables, found, strict=True)
        faults = [fault for table, present in pairs if (fault := await self._fault(table, present)) is not None]
        return [wrong("tables", fault, CREATE) for fault in faults] or [
            ok("tables", f"All {len(self._tables)} tables of {self._prefix} are complete.")
        ]

    async def _nowhere(self) -> Finding:
        """All tables are missing: in another region they may be there."""
        has = partial(elsewhere.has, table=self._tables[0].name)
        regions = await elsewhere.regions_where(has, self._place.others)
        none = f"There are no tables {self._prefix}* in {self._place}"
        if regions:
            remedy = f"Set AWS_REGION={regions[0]}, or run `streamer tables create` for new tables here."
            return wrong("region", f"{none}, but there are in {' and '.join(regions)}.", remedy)
        remedy = f"{CREATE} If there should be some, see STREAMER_TABLE_PREFIX and the account."
        return wrong("tables", f"{none}, nor in any other region that answered.", remedy)

    async def _fault(self, table: Table, present: Description | None) -> str | None:
        found = tables.complaint(table, present)
        if found is not None:
            return found.removesuffix(": run `streamer tables create`.").rstrip(".") + "."
        step = tables.next_step(table, present, await self._expiry(table))
        if step is None or step.operation is None:
            return None
        if step.operation == "update_time_to_live":
            return f"Rows of table {table.name} never expire."
        return f"Table {table.name} has no stream." if self._needs_stream else None

    async def _expiry(self, table: Table) -> str | None:
        """Where it cannot be told, it is taken for right: an account may be kept from asking."""
        try:
            return await tables.time_to_live(self._client, table)
        except StoreUnavailable:
            return "ENABLED"
