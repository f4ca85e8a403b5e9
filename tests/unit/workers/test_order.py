"""What is served next."""

from workers.order import MAX_AHEAD, Lead, Order


def ready(name: str, rank: int, *, queue: str = "q", tenant: str = "a") -> Lead:
    return Lead(name, queue, "report", "sweep", None, tenant, rank)


def due(name: str, due_ms: int, *, queue: str = "q", tenant: str = "a") -> Lead:
    return Lead(name, queue, "report", "sweep", due_ms, tenant, due_ms)


def names(order: Order, *leads: Lead) -> list[str]:
    by_queue: dict[str, list[Lead]] = {}
    for lead in leads:
        by_queue.setdefault(lead.queue, []).append(lead)
    return [lead.job_id for lead in order.best_first(by_queue)]


def serve(order: Order, waiting: list[Lead], rounds: int) -> list[str]:
    """Takes the best, so many times."""
    taken = []
    for _ in range(rounds):
        by_queue: dict[str, list[Lead]] = {}
        for lead in waiting:
            by_queue.setdefault(lead.queue, []).append(lead)
        best = order.best_first(by_queue)[0]
        order.taken(best)
        waiting.remove(best)
        taken.append(best.job_id)
    return taken


def test_ready_jobs_come_by_virtual_time() -> None:
    assert names(Order(), ready("b", 20), ready("a", 10)) == ["a", "b"]


def test_timers_come_by_due_time_whatever_the_virtual_time_is() -> None:
    assert names(Order(), due("b", 20), due("a", 10)) == ["a", "b"]
    order = Order()
    assert names(order, ready("r", 7), due("later", 900), due("sooner", 800), ready("s", 8)) == [
        "sooner",
        "r",
        "later",
        "s",
    ]


def test_many_timers_of_one_tenant_do_not_push_back_those_of_another() -> None:
    waiting = [due(f"a{number}", number) for number in range(100)] + [due("b1", 500, tenant="b")]
    assert names(Order(), *waiting)[:2] == ["a0", "b1"]
    assert "b1" in serve(Order(), waiting, 2)


def test_a_tenant_that_comes_late_does_not_wait_for_what_another_has_had() -> None:
    order = Order()
    waiting = [due(f"a{number}", number) for number in range(60)]
    serve(order, waiting, 50)
    waiting.append(due("b1", 500, tenant="b"))
    assert "b1" in serve(order, waiting, 2)


def test_ready_jobs_and_timers_take_turns() -> None:
    waiting = [due(f"t{number}", number) for number in range(10)] + [
        ready(f"r{number}", 1_000 + number, tenant="b") for number in range(10)
    ]
    taken = serve(Order(), waiting, 10)
    assert sum(name.startswith("t") for name in taken) == 5


def test_after_a_time_of_timers_alone_they_do_not_wait_for_the_ready_ones_to_catch_up() -> None:
    order = Order()
    first = ready("r", 1_000, tenant="b")
    waiting = [first, *(due(f"t{number}", number) for number in range(3 * MAX_AHEAD))]
    serve(order, waiting, 2)
    serve(order, waiting, 2 * MAX_AHEAD)
    waiting += [ready(f"r{number}", 1_001 + number, tenant="b") for number in range(10)]
    taken = serve(order, waiting, 10)
    assert sum(name.startswith("t") for name in taken) >= 4


def test_queues_take_turns_whatever_their_virtual_times_are() -> None:
    """Each queue counts its own rounds, so a quiet one would starve, or starve the others."""
    waiting = [ready(f"q{number}", number) for number in range(10)] + [
        ready(f"gpu{number}", 1_800_000_000_000 + number, queue="gpu") for number in range(10)
    ]
    taken = serve(Order(), waiting, 10)
    assert sum(name.startswith("gpu") for name in taken) == 5


def test_a_job_that_no_look_has_shown_counts_too() -> None:
    """It was started by a hint, or by a timer of our own."""
    order = Order()
    order.taken(due("t", 5))
    order.taken(ready("r", 5))
    assert names(order, ready("a", 1)) == ["a"]
