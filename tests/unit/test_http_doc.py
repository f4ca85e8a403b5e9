"""The page about HTTP has every path, and what its commands print."""

import re

from app.rest import answers
from app.rest.routes import routes
from tests.support import curl_story


def test_every_command_is_a_step_of_the_story_that_a_test_runs() -> None:
    page = curl_story.PAGE.read_text()
    commands = re.findall(r"```sh\n(.*?)\n```", page, re.DOTALL)
    assert [step.command for step in curl_story.steps()] == commands
    assert all(step.output for step in curl_story.steps())


def test_the_story_has_a_cut_a_resumption_a_cancel_and_a_list() -> None:
    story = "\n".join(step.command for step in curl_story.steps())
    for part in ("Idempotency-Key", "/events", "head -n", "Last-Event-ID", "Prefer: wait", "-X DELETE", "limit="):
        assert part in story


def test_every_path_is_listed() -> None:
    listed = set(re.findall(r"^\| `\w+ (/v1/\S+?)` \|", curl_story.PAGE.read_text(), re.MULTILINE))
    assert listed == {route.path for route in routes()} - {"/v1/{path:path}"}


def test_every_error_code_is_listed() -> None:
    page = curl_story.PAGE.read_text()
    assert [code for code in answers.STATUS if f"`{code}`" not in page] == []


def test_what_a_page_shows_is_shortened() -> None:
    text = 'HTTP/1.1 200 OK\r\ndate: now\r\nx: 1\r\n\r\n{"job_id":"%s","at":1795392064.25}' % ("ab" * 16)
    assert curl_story.shortened(text) == 'HTTP/1.1 200 OK\nx: 1\n\n{"job_id":"ababab…","at":1795392064}'
