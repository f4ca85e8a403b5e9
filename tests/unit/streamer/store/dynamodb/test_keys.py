from dataclasses import fields

from streamer.jobs.model import Job
from streamer.store.base import Connection, Subscription
from streamer.store.dynamodb import keys


def test_every_field_of_a_job_has_its_own_attribute() -> None:
    held = {field.name for field in fields(Job)} - {"entry", "unknown"}
    assert set(keys.JOB) == held
    others = [keys.DISPATCH_PK, keys.DISPATCH_SK, keys.USER_KEY]
    assert len({*keys.JOB.values(), *others}) == len(held) + len(others)


def test_every_field_of_a_connection_has_its_own_attribute() -> None:
    assert set(keys.CONNECTION) == {field.name for field in fields(Connection)}
    others = [keys.USER_KEY, keys.TENANT_KEY, keys.EXPIRES]
    assert len({*keys.CONNECTION.values(), *others}) == len(keys.CONNECTION) + len(others)


def test_every_field_of_a_subscription_has_its_own_attribute() -> None:
    assert set(keys.SUBSCRIPTION) == {field.name for field in fields(Subscription)}
    assert len(set(keys.SUBSCRIPTION.values())) == len(keys.SUBSCRIPTION)


def test_the_names_of_one_deployment() -> None:
    names = keys.TableNames("acme_")
    assert [names.requests, names.connections, names.subscriptions, names.events, names.nodes] == [
        "acme_requests",
        "acme_connections",
        "acme_subscriptions",
        "acme_events",
        "acme_nodes",
    ]


def test_a_users_jobs_lie_in_the_shards_that_are_read() -> None:
    shards = {keys.job_user_key("acme", "ann", f"job{number}") for number in range(100)}
    assert shards == set(keys.job_user_keys("acme", "ann"))
    assert len(shards) == keys.USER_SHARDS


def test_a_tenants_connections_lie_in_the_shards_that_are_read() -> None:
    shards = {keys.tenant_key("a#b", f"node.{number}") for number in range(200)}
    assert shards == set(keys.tenant_keys("a#b"))
    assert len(shards) == keys.TENANT_SHARDS


def test_users_of_two_tenants_never_meet() -> None:
    assert keys.user_key("t1", "1x") != keys.user_key("t11", "x")
