import uuid

import pytest

from streamer.jobs import ids


def test_a_job_id_is_32_hex_characters_and_stable() -> None:
    assert ids.job_id("t", "u", "x") == ids.job_id("t", "u", "x")
    assert len(bytes.fromhex(ids.job_id("t", "u", "x"))) == 16


def test_parts_of_a_job_id_never_run_together() -> None:
    parts = [("t1", "u", "1x"), ("t11", "u", "x"), ("t1", "u1", "x"), ("t", "1u", "1x"), ("t1u", "", "1x")]
    assert len({ids.job_id(*each) for each in parts}) == len(parts)


def test_the_order_of_keys_does_not_change_a_payload() -> None:
    assert ids.payload_hash("a", {"x": 1, "y": {"p": 2, "q": 3}}) == ids.payload_hash(
        "a", {"y": {"q": 3, "p": 2}, "x": 1}
    )


def test_action_and_payload_make_the_payload_hash() -> None:
    hashes = {
        ids.payload_hash("a", {}),
        ids.payload_hash("b", {}),
        ids.payload_hash("a", []),
        ids.payload_hash("a", None),
    }
    assert len(hashes) == 4


def test_content_is_named_by_its_bytes() -> None:
    assert ids.content_hash(b'{"a":1,"b":2}') != ids.content_hash(b'{"b":2,"a":1}')
    assert len(ids.content_hash(b"")) == 32


def test_a_user_key_keeps_tenant_and_user_apart() -> None:
    assert ids.user_key("ab", "c") != ids.user_key("a", "bc")
    assert len(ids.user_key("ab", "c")) == 32


def test_nonces_and_boot_ids_do_not_repeat() -> None:
    assert len({ids.nonce() for _ in range(100)}) == 100
    assert len({ids.boot_id() for _ in range(100)}) == 100
    assert len(ids.nonce()) == 16
    assert len(ids.boot_id()) == 12


def test_a_connection_id_begins_with_its_nodes_boot_id() -> None:
    boot = ids.boot_id()
    assert ids.connection_id(boot).startswith(f"{boot}.")
    assert ids.connection_id(boot) != ids.connection_id(boot)


def test_connection_ids_have_one_form() -> None:
    assert all(ids.CONNECTION_ID.fullmatch(ids.connection_id(ids.boot_id())) for _ in range(100))
    for text in (
        "",
        "0123456789ab",
        "0123456789ab." + "A" * 21,
        "0123456789AB." + "A" * 22,
        "0123456789ab." + "/" * 22,
    ):
        assert not ids.CONNECTION_ID.fullmatch(text)


def test_a_uuid7_carries_its_time_and_sorts_by_it() -> None:
    made = [uuid.UUID(ids.uuid7(now_ms)) for now_ms in (1, 2, 1_800_000_000_000)]
    assert [each.version for each in made] == [7, 7, 7]
    assert {each.variant for each in made} == {uuid.RFC_4122}
    assert [each.int >> 80 for each in made] == [1, 2, 1_800_000_000_000]
    assert made == sorted(made)


@pytest.mark.parametrize("text", ["a", "A.b_c:d~e-f", "0" * 128])
def test_client_ids(text: str) -> None:
    assert ids.CLIENT_ID.fullmatch(text)


@pytest.mark.parametrize("text", ["", "0" * 129, "a b", "a/b", "ä", "a\n", "a\0"])
def test_what_is_no_client_id(text: str) -> None:
    assert not ids.CLIENT_ID.fullmatch(text)
