from streamer.client.control import Offer, Welcome
from streamer.client.identity import ACKS_KEPT, Identity


def welcome(connection_id: str, *offered: str, read: bool = True) -> Welcome:
    inbox = [Offer(request_id, "j", "COMPLETED") for request_id in offered] if read else None
    return Welcome(connection_id=connection_id, node_id="n", heartbeat_ms=0, inbox=inbox)


def offered(identity: Identity) -> list[str]:
    return [offer.request_id for offer in identity.inbox]


def test_it_keeps_its_connection_id_and_counts_how_often_it_came_back() -> None:
    identity = Identity(welcome("n1.a"))
    identity.came_back(welcome("n2.b"))
    identity.came_back(welcome("n3.c"))
    assert (identity.connection_id, identity.reconnects) == ("n1.a", 2)
    assert identity.welcome.connection_id == "n3.c"


def test_the_inbox_is_that_of_the_newest_welcome_that_has_one() -> None:
    identity = Identity(welcome("a", "r1"))
    identity.came_back(welcome("b", "r1", "r2"))
    assert offered(identity) == ["r1", "r2"]
    identity.came_back(welcome("c", read=False))
    assert offered(identity) == ["r1", "r2"]


def test_what_was_acknowledged_is_offered_no_more_and_said_again_until_the_server_has_heard() -> None:
    identity = Identity(welcome("a", "r1", "r2"))
    identity.ack("r1")
    assert offered(identity) == ["r2"]
    identity.came_back(welcome("b", "r1", "r2"))
    assert offered(identity) == ["r2"]
    assert identity.acks_to_repeat() == ["r1"]
    identity.came_back(welcome("c", read=False))
    assert identity.acks_to_repeat() == ["r1"]
    identity.came_back(welcome("d", "r2"))
    assert identity.acks_to_repeat() == ["r1"]  # once more; and then the server has forgotten it, and so do we
    identity.came_back(welcome("e", "r2"))
    assert identity.acks_to_repeat() == []


def test_only_the_newest_acknowledgments_are_said_again() -> None:
    identity = Identity(welcome("a"))
    for number in range(ACKS_KEPT + 1):
        identity.ack(f"r{number}")
    assert identity.acks_to_repeat() == [f"r{number}" for number in range(1, ACKS_KEPT + 1)]
