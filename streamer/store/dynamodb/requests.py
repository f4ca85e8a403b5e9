"""Requests about jobs, as values: what is asked of DynamoDB is decided here, and sent elsewhere."""

from collections.abc import Sequence
from typing import Any

from streamer.jobs.lifecycle import Transition
from streamer.jobs.model import Entry, Job
from streamer.store.dynamodb import items, keys
from streamer.store.dynamodb.conditions import condition
from streamer.store.dynamodb.expressions import Placeholders
from streamer.store.engine import MAX_MS, Made

Request = dict[str, Any]

_SHOW_THE_ROW = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
"""A refused write tells why by the row as it was: without another read, and at that very moment."""


def insert(table: str, job: Job, now_ms: int) -> Request:
    bind = Placeholders()
    absent = f"attribute_not_exists({bind.name(keys.REQUEST_ID)})"
    over = f"{bind.name(keys.EXPIRES)} <= {bind.value('now', items.number(now_ms // 1000))}"
    return {
        "TableName": table,
        "Item": items.encode(job),
        "ConditionExpression": f"{absent} OR {over}",
        **bind.bound(),
        **_SHOW_THE_ROW,
    }


def update(table: str, job_id: str, transition: Transition) -> Request:
    """One transition as one conditional UpdateItem that answers with the row after it, or the row before it."""
    bind = Placeholders()
    return {
        "TableName": table,
        "Key": {keys.REQUEST_ID: items.text(job_id)},
        "UpdateExpression": _changes(transition, bind),
        "ConditionExpression": condition(transition.guard, bind),
        **bind.bound(),
        "ReturnValues": "ALL_NEW",
        **_SHOW_THE_ROW,
    }


def _changes(transition: Transition, bind: Placeholders) -> str:
    sets, removes = _sets(transition, bind)
    clauses = {"SET": sets, "REMOVE": removes, "ADD": _adds(transition, bind)}
    return " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts)


def _sets(transition: Transition, bind: Placeholders) -> tuple[list[str], list[str]]:
    new = {keys.JOB[field]: items.value(field, content) for field, content in transition.sets.items()}
    new |= _entry(transition)
    sets = [f"{bind.name(name)} = {bind.value(name, value)}" for name, value in new.items() if value is not None]
    for field, content in transition.defaults.items():
        name, value = bind.name(keys.JOB[field]), items.value(field, content)
        if value is not None:
            sets.append(f"{name} = if_not_exists({name}, {bind.value(keys.JOB[field], value)})")
    return sets, [bind.name(name) for name, value in new.items() if value is None]


def _entry(transition: Transition) -> dict[str, items.Value | None]:
    match transition.entry:
        case None:
            return {keys.DISPATCH_PK: None, keys.DISPATCH_SK: None}
        case Entry(partition, sort):
            return {keys.DISPATCH_PK: items.text(partition), keys.DISPATCH_SK: items.text(sort)}
        case _:
            return {}


def _adds(transition: Transition, bind: Placeholders) -> list[str]:
    steps = {keys.JOB[field]: items.number(step) for field, step in transition.adds.items()}
    if transition.join is not None:
        steps[keys.JOB["routes"]] = {"SS": [transition.join]}
    return [f"{bind.name(name)} {bind.value(f'add_{name}', value)}" for name, value in steps.items()]


def entries(
    table: str, partition: str, *, up_to: str | None = None, prefix: str | None = None, after: str | None = None
) -> Request:
    """Index entries of one partition by sort key. An index has no strong reads: what it says is a hint."""
    bind = Placeholders()
    wanted = f"{bind.name(keys.DISPATCH_PK)} = {bind.value('partition', items.text(partition))}"
    if up_to is not None and after is not None:  # a key has one comparison: BETWEEN, whose ends are both included
        low, high = bind.value("after", items.text(f"{after}\0")), bind.value("up_to", items.text(up_to))
        wanted += f" AND {bind.name(keys.DISPATCH_SK)} BETWEEN {low} AND {high}"
    elif up_to is not None:
        wanted += f" AND {bind.name(keys.DISPATCH_SK)} < {bind.value('up_to', items.text(up_to))}"
    elif after is not None:
        wanted += f" AND {bind.name(keys.DISPATCH_SK)} > {bind.value('after', items.text(after))}"
    elif prefix is not None:
        wanted += f" AND begins_with({bind.name(keys.DISPATCH_SK)}, {bind.value('prefix', items.text(prefix))})"
    return {
        "TableName": table,
        "IndexName": keys.DISPATCH_INDEX,
        "KeyConditionExpression": wanted,
        **bind.bound(),
    }


def newest(table: str, user_key: str, after: Made | None = None, *, until_ms: int = MAX_MS) -> Request:
    """One shard of a user's jobs, the newest first; without a place to start after, those made until then."""
    bind = Placeholders()
    start = {} if after is None else {"ExclusiveStartKey": _place(user_key, after)}
    condition = f"{bind.name(keys.USER_KEY)} = {bind.value('user', items.text(user_key))}"
    if after is None and until_ms < MAX_MS:
        condition += f" AND {bind.name(keys.CREATED_AT)} <= {bind.value('until', items.number(until_ms))}"
    return {
        "TableName": table,
        "IndexName": keys.USER_INDEX,
        "KeyConditionExpression": condition,
        "ScanIndexForward": False,
        **bind.bound(),
        **start,
    }


def _place(user_key: str, made: Made) -> items.Item:
    return {
        keys.REQUEST_ID: items.text(made.job_id),
        keys.USER_KEY: items.text(user_key),
        keys.CREATED_AT: items.number(made.created_ms),
    }


def job_keys(job_ids: Sequence[str]) -> list[items.Item]:
    return [{keys.REQUEST_ID: items.text(job_id)} for job_id in job_ids]


def put_part(table: str, job_id: str, sort: str, body: bytes, expires_ms: int) -> Request:
    """A part of a side item; the same part again writes the same bytes, so it needs no condition."""
    key = part_key(job_id, sort)
    return {"TableName": table, "Item": {**key, "b": {"B": body}, keys.EXPIRES: items.seconds(expires_ms)}}


def part_key(job_id: str, sort: str) -> items.Item:
    return {keys.REQUEST_ID: items.text(job_id), keys.SORT_KEY: items.text(sort)}
