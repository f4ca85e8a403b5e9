"""The operator's view in Chromium, in states that are hard to come by: the node's answers are the test's."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.console import Visitor, visitor
from tests.support.operator_page import (
    FIRST,
    ORIGIN,
    REFRESH_MS,
    ScriptedNode,
    job,
    letter,
    node,
    overview,
    points,
    queue,
    worker,
)
from tests.support.until import until

NARROW: Final[Any] = {"width": 360, "height": 740}

expect.set_options(timeout=10_000)
pytestmark = pytest.mark.browser


@pytest.fixture
async def ann() -> AsyncIterator[Visitor]:
    async with visitor(ORIGIN, timezone_id="UTC") as ann:
        yield ann


@pytest.fixture
def page(ann: Visitor) -> Page:
    return ann.page


@pytest.fixture
def streamer() -> ScriptedNode:
    return ScriptedNode()


def panel(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True).first


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


def status(page: Page) -> Locator:
    return page.locator(".freshness")


# --- queues, nodes and workers ------------------------------------------------------------------------------


async def test_a_queue_tells_how_much_stands_where_and_who_waits(page: Page, streamer: ScriptedNode) -> None:
    tenants = [
        {"tenant": "acme", "waiting": 2, "oldest_age_s": 9.0},
        {"tenant": "umbra", "waiting": 40, "oldest_age_s": 130.0},
    ]
    waiting = queue(waiting=42, running=7, dead=1, oldest_age_s=130.0, tenants=tenants)
    streamer.overview = overview(queues=[waiting, queue("slow", waiting=1000, is_exact=False)])
    await streamer.open(page)
    card = page.get_by_role("article", name="Queue default")
    await expect(card.get_by_role("button", name="42 Waiting")).to_be_visible()
    await expect(card).to_contain_text("oldest waits 2 min")
    await card.get_by_text("Waiting by tenant (2)").click()
    await expect(card.get_by_role("row").nth(1)).to_have_text("umbra402 min")
    slow = page.get_by_role("article", name="Queue slow")
    await expect(slow).to_contain_text("at least")
    await expect(slow.get_by_role("button", name="≥ 1,000 Waiting")).to_be_visible()
    await expect(slow.get_by_role("button", name="0 Dead", exact=True)).to_be_visible()


async def test_a_figure_of_a_queue_leads_to_its_jobs(page: Page, streamer: ScriptedNode) -> None:
    streamer.overview = overview(queues=[queue(), queue("slow", delayed=1)])
    streamer.jobs["delayed"] = [job(queue="slow", status="RETRYING", ready_at=streamer.overview["at"] + 300)]
    await streamer.open(page)
    await page.get_by_role("button", name="1 Delayed").click()
    await expect(page.get_by_role("combobox", name="Queue").last).to_have_value("slow")
    await expect(page.get_by_role("radio", name="Delayed 1")).to_be_checked()
    await expect(row(page, "print_booklet")).to_contain_text("in 5 min")
    assert streamer.count("GET /v1/admin/jobs?queue=slow&status=delayed") == 1


async def test_a_late_beat_is_told_in_a_word_and_a_colour(page: Page, streamer: ScriptedNode) -> None:
    nodes = [node("node-a"), node("node-b", beat_age_s=6.0), node("node-c", beat_age_s=15.0, draining=True)]
    streamer.overview = overview(nodes=nodes, workers=[])
    await streamer.open(page)
    await expect(page.get_by_role("heading", name="Nodes: 3, with 9 connections")).to_be_visible()
    for name, word, tone in [("node-a", "alive", "good"), ("node-b", "late", "warn"), ("node-c", "silent", "bad")]:
        await expect(row(page, name).get_by_text(word)).to_have_attribute("data-tone", tone)
    await expect(row(page, "node-c")).to_contain_text("15 s ago")
    await expect(row(page, "node-c")).to_contain_text("draining")
    await expect(page.get_by_text("No worker: what is queued waits")).to_be_visible()


async def test_what_is_gone_leaves_the_page_and_what_is_back_returns(page: Page, streamer: ScriptedNode) -> None:
    streamer.overview = overview(queues=[queue(), queue("slow")], workers=[worker("worker-a"), worker("worker-b")])
    await streamer.open(page)
    await expect(row(page, "worker-b")).to_contain_text("2 of 100")
    streamer.overview = overview(workers=[worker("worker-c"), worker("worker-a", running=90)])
    await streamer.refreshed(page)
    await expect(row(page, "worker-b")).to_have_count(0)
    await expect(row(page, "worker-a")).to_contain_text("90 of 100")
    await expect(page.get_by_role("article")).to_have_count(1)
    workers = page.get_by_role("table", name="Workers").get_by_role("rowheader")
    await expect(workers).to_have_text(["worker-c", "worker-a"])


# --- jobs ---------------------------------------------------------------------------------------------------


async def test_the_bar_of_a_running_job_moves(page: Page, streamer: ScriptedNode) -> None:
    streamer.jobs["running"] = [job(chunks=4)]
    await streamer.open(page)
    running = row(page, "print_booklet")
    await expect(running.get_by_role("progressbar")).to_have_js_property("value", 50)
    await expect(running).to_contain_text("printing · 4 chunks")
    await expect(running).to_contain_text("worker-a")
    started = running.get_by_text("30 s ago")
    await expect(started).to_have_attribute("datetime", "2027-01-15T07:59:30.000Z")
    await expect(started).to_have_attribute("title", "Jan 15, 2027, 7:59:30 AM UTC")
    streamer.jobs["running"] = [job(percentage=75.0, message="binding")]
    await streamer.refreshed(page)
    await expect(running.get_by_role("progressbar")).to_have_js_property("value", 75)
    await expect(running).to_contain_text("binding")


async def test_focus_and_scroll_stay_while_rows_come_and_go(page: Page, streamer: ScriptedNode) -> None:
    streamer.jobs["running"] = [job(number) for number in range(50)]
    await streamer.open(page)
    button = page.get_by_role("button", name=f"Cancel print_booklet {30:032x}")
    await button.focus()
    place = await page.evaluate("scrollY")
    assert place > 0
    streamer.jobs["running"] = [job(30), *(job(number) for number in range(50) if number % 2)]
    await streamer.refreshed(page)
    await expect(page.get_by_role("table", name="Running jobs").locator("tbody tr")).to_have_count(26)
    await expect(button).to_be_focused()
    streamer.jobs["running"] = [job(1)]
    await streamer.refreshed(page)
    await expect(page.get_by_role("region", name="Running jobs")).to_be_focused()
    streamer.jobs["running"] = []
    await streamer.refreshed(page)
    await expect(page.get_by_text("Nothing runs.")).to_be_focused()


async def test_a_job_is_cancelled_after_a_question(page: Page, streamer: ScriptedNode) -> None:
    streamer.jobs["running"] = [job(1)]
    await streamer.open(page)
    button = page.get_by_role("button", name=f"Cancel print_booklet {1:032x}")
    await button.click()
    dialog = page.get_by_role("dialog", name="Cancel this job?")
    await expect(dialog).to_contain_text("print_booklet of ann (acme) ends as cancelled.")
    await expect(dialog.get_by_role("button", name="Let it run")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(button).to_be_focused()
    assert streamer.count("POST") == 0
    await button.click()
    await dialog.get_by_role("button", name="Cancel the job").click()
    await expect(panel(page, "Jobs")).to_contain_text(f"print_booklet {1:032x}: cancelling.")
    await expect(page.get_by_text("Nothing runs.")).to_be_visible()
    assert f"POST /v1/admin/jobs/{1:032x}/cancel" in streamer.calls


async def test_a_dead_letter_is_redriven_once_and_purged(page: Page, streamer: ScriptedNode) -> None:
    streamer.jobs["dead"] = [letter(1)]
    await streamer.open(page)
    dead = row(page, "NO_GLUE There is no glue.")
    await expect(dead).to_contain_text("2 h ago")
    await dead.get_by_text("Details").click()
    await expect(dead).to_contain_text('"error_id": "e-1"')
    await dead.get_by_role("button", name="Redrive").click()
    await expect(panel(page, "Dead letters").get_by_role("status")).to_have_text(f"Redriven as {'f' * 32}.")
    await expect(dead).to_contain_text(f"redriven as {'f' * 32}")
    await expect(dead.get_by_role("button", name="Redrive")).to_be_hidden()
    await dead.get_by_role("button", name="Purge").click()
    await page.get_by_role("dialog").get_by_role("button", name="Purge").click()
    await expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    assert f"DELETE /v1/admin/jobs/{1:032x}" in streamer.calls


async def test_a_second_press_while_the_first_is_under_way_does_nothing(page: Page, streamer: ScriptedNode) -> None:
    streamer.jobs["dead"] = [letter(1)]
    await streamer.open(page)
    button = page.get_by_role("button", name="Redrive")
    await expect(button).to_be_visible()
    streamer.held = []
    await button.click()
    await expect(button).to_have_attribute("aria-disabled", "true")
    await button.click(force=True)
    await button.press("Enter")
    await until(lambda: bool(streamer.held), what="the call that is held")
    assert streamer.count("POST") == 1


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ((403, "FORBIDDEN", "Not allowed."), "Your token lacks the permission admin:write."),
        ((404, "NOT_FOUND", "There is no dead letter of this id."), "There is no dead letter of this id."),
    ],
)
async def test_what_cannot_be_done_is_told_where_it_was_asked(
    page: Page, streamer: ScriptedNode, refusal: tuple[int, str, str], told: str
) -> None:
    streamer.jobs["dead"] = [letter(1)]
    streamer.refusals["POST"] = refusal
    await streamer.open(page)
    await page.get_by_role("button", name="Redrive").click()
    await expect(panel(page, "Dead letters").get_by_role("alert")).to_have_text(f"print_booklet {1:032x}: {told}")


async def test_who_may_only_look_is_offered_nothing_to_do(page: Page, streamer: ScriptedNode) -> None:
    streamer.jobs = {"running": [job(1)], "dead": [letter(2)], "waiting": [], "delayed": []}
    await streamer.open(page, "?reads")
    await expect(page.get_by_role("rowheader", name="print_booklet")).to_have_count(2)
    for name in ("Cancel", "Redrive", "Purge"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)


async def test_a_thousand_jobs_are_looked_through_page_by_page(page: Page, streamer: ScriptedNode) -> None:
    streamer.jobs["waiting"] = [job(number, worker=None, status="PENDING") for number in range(1_000)]
    await streamer.open(page)
    await page.get_by_role("radio", name="Waiting").check()
    rows = page.get_by_role("table", name="Waiting jobs").locator("tbody tr")
    pages = page.get_by_role("group", name="Pages of Jobs")
    await expect(rows).to_have_count(50)
    await expect(pages.get_by_role("button", name="Previous page")).to_be_disabled()
    for number in range(2, 21):
        await pages.get_by_role("button", name="Next page").click()
        await expect(rows.first).to_contain_text(f"{50 * (number - 1):032x}")
    await expect(pages).to_contain_text("Page 20")
    await expect(pages.get_by_role("button", name="Next page")).to_be_disabled()
    await streamer.refreshed(page)
    await expect(rows.first).to_contain_text(f"{950:032x}")
    await pages.get_by_role("button", name="Previous page").click()
    await expect(rows.first).to_contain_text(f"{900:032x}")


async def test_filters_are_of_the_first_page_again(page: Page, streamer: ScriptedNode) -> None:
    others = [job(number) for number in range(60)]
    streamer.jobs["running"] = [*others, job(99, tenant="umbra", action="bind_booklet")]
    await streamer.open(page)
    await page.get_by_role("button", name="Next page").first.click()
    await expect(page.get_by_role("group", name="Pages of Jobs")).to_contain_text("Page 2")
    await page.get_by_label("Tenant (any)").fill("umbra")
    await page.get_by_label("Action (any)").fill("bind_booklet")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("table", name="Running jobs").locator("tbody tr")).to_have_count(1)
    await expect(page.get_by_role("group", name="Pages of Jobs")).to_be_hidden()
    assert "GET /v1/admin/jobs?queue=default&tenant=umbra&action=bind_booklet&status=running&limit=50" in streamer.calls


async def test_filters_that_the_node_refuses_are_told_beside_them(page: Page, streamer: ScriptedNode) -> None:
    streamer.refusals["GET /v1/admin/jobs"] = (400, "INVALID_MESSAGE", "tenant has at most 256 bytes.")
    await streamer.open(page)
    await expect(panel(page, "Jobs").get_by_role("alert")).to_have_text("tenant has at most 256 bytes.")
    await expect(status(page)).to_have_attribute("data-state", "live")


async def test_a_page_without_a_hit_may_have_a_next_one(page: Page, streamer: ScriptedNode) -> None:
    await streamer.open(page)
    none_yet = {"jobs": [], "cursor": "further"}
    await page.route("**/v1/admin/jobs?*status=running*", lambda route: route.fulfill(json=none_yet))
    await streamer.refreshed(page)
    await expect(panel(page, "Jobs").get_by_text("the next page looks further")).to_be_visible()
    await expect(page.get_by_text("Nothing runs.")).to_be_hidden()
    await expect(page.get_by_role("button", name="Next page").first).to_be_enabled()


# --- connections --------------------------------------------------------------------------------------------


async def test_connections_of_a_tenant_are_listed_when_somebody_asks(page: Page, streamer: ScriptedNode) -> None:
    whose = {"node_id": "node-a", "tenant": "acme", "user": "ann", "connected_at": streamer.overview["at"] - 90}
    streamer.connections = [{"connection_id": "c-1", **whose, "source_ip": "10.0.0.9", "user_agent": None}]
    await streamer.open(page)
    form = panel(page, "Connections")
    await form.get_by_role("combobox", name="Tenant").fill("acme")
    await form.get_by_label("User (any)").fill("ann")
    assert streamer.count("GET /v1/admin/connections") == 0
    await form.get_by_role("button", name="List connections").click()
    await expect(row(page, "c-1")).to_have_text("c-1annnode-a1 min ago10.0.0.9\N{EN DASH}")
    assert "GET /v1/admin/connections?tenant=acme&user=ann" in streamer.calls
    streamer.refusals["GET /v1/admin/connections"] = (503, "STORAGE_ERROR", "The store does not answer.")
    await form.get_by_role("button", name="List connections").click()
    await expect(form.get_by_role("alert")).to_have_text("The store does not answer.")


# --- asking again -------------------------------------------------------------------------------------------


async def test_nothing_is_asked_while_nobody_looks(page: Page, streamer: ScriptedNode) -> None:
    await streamer.open(page)
    await expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    await page.evaluate("view.hide()")
    asked = streamer.count(FIRST)
    await page.clock.run_for(10 * REFRESH_MS)
    assert streamer.count(FIRST) == asked
    await page.evaluate("view.show()")
    await streamer.refreshed(page)
    hidden = "Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })"
    await page.evaluate(f"{hidden}; document.dispatchEvent(new Event('visibilitychange'))")
    asked = streamer.count(FIRST)
    await page.clock.run_for(10 * REFRESH_MS)
    assert streamer.count(FIRST) == asked


async def test_a_node_that_is_slow_is_asked_once_at_a_time_and_what_is_shown_grows_old(
    page: Page, streamer: ScriptedNode
) -> None:
    await streamer.open(page)
    await expect(page.get_by_text("There are no dead letters.")).to_be_visible()
    streamer.held = []
    await page.clock.run_for(REFRESH_MS)
    await until(lambda: len(streamer.held or ()) == 1, what="the call that is held")
    await page.clock.run_for(4 * REFRESH_MS)
    await page.get_by_role("button", name="Refresh").click()
    await expect(status(page)).to_have_attribute("data-state", "stale")
    await expect(status(page)).to_contain_text("The node does not answer.What is shown is of 08:00:01, 10 s ago.")
    assert len(streamer.held) == 1


async def test_a_node_that_is_away_is_told_and_asked_again(page: Page, streamer: ScriptedNode) -> None:
    streamer.jobs["running"] = [job(1)]
    await streamer.open(page)
    await expect(row(page, "print_booklet")).to_be_visible()
    streamer.is_away = True
    await page.clock.run_for(REFRESH_MS)
    await expect(status(page).get_by_role("status")).to_have_text("The node does not answer.")
    await expect(row(page, "print_booklet")).to_be_visible()
    streamer.is_away = False
    await page.get_by_role("button", name="Refresh").click()
    await expect(status(page).get_by_role("status")).to_have_text("Live")


async def test_an_answer_of_the_store_that_failed_is_told_in_its_words(page: Page, streamer: ScriptedNode) -> None:
    streamer.refusals["GET /v1/admin/overview"] = (503, "STORAGE_ERROR", "The store does not answer.")
    await streamer.open(page)
    await expect(status(page).get_by_role("status")).to_have_text("Not refreshed: The store does not answer.")


async def test_who_may_not_look_is_told_why_and_not_asked_for(page: Page, streamer: ScriptedNode) -> None:
    streamer.refusals["GET /v1/admin"] = (403, "FORBIDDEN", "The permission admin:read is needed.")
    await streamer.open(page)
    await expect(page.locator("#operator > [role=alert]")).to_contain_text("needs the permission admin:read")
    await page.clock.run_for(10 * REFRESH_MS)
    assert streamer.count("GET") == 1
    streamer.refusals.clear()
    await page.get_by_role("button", name="Refresh").click()
    await expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    await expect(page.locator("#operator > [role=alert]")).to_have_text("")


# --- for everybody ------------------------------------------------------------------------------------------


async def test_it_keeps_nobody_out(ann: Visitor, streamer: ScriptedNode) -> None:
    _fill(streamer)
    await streamer.open(ann.page)
    await expect(row(ann.page, "NO_GLUE").first).to_be_visible()
    for details in await ann.page.locator("summary:visible").all():
        await details.click()
    await ann.page.get_by_role("slider").first.focus()
    await ann.page.clock.resume()  # axe waits by timers
    assert await ann.barriers() == []
    await ann.page.get_by_role("button", name="Purge").first.click()
    assert await ann.barriers() == []
    ann.check()


async def test_it_fits_a_telephone(page: Page, streamer: ScriptedNode) -> None:
    await page.set_viewport_size(NARROW)
    _fill(streamer)
    await streamer.open(page)
    await expect(row(page, "NO_GLUE").first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def _fill(streamer: ScriptedNode) -> None:
    tenants = [{"tenant": "acme", "waiting": 12, "oldest_age_s": 9.0}]
    busy = queue(waiting=12, running=1, delayed=3, dead=2, oldest_age_s=9.0, tenants=tenants, is_exact=False)
    nodes = [node("node-a"), node("node-b", beat_age_s=7.0), node("node-c", beat_age_s=30.0, draining=True)]
    streamer.overview = overview(queues=[busy, queue("slow")], nodes=nodes)
    streamer.history = points(*range(0, 60, 2), *range(60, 0, -3))
    streamer.jobs["running"] = [job(1, message="printing on a4 " * 8)]
    streamer.jobs["dead"] = [letter(2), letter(3, redriven_as="e" * 32)]
