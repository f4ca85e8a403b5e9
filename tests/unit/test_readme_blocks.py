"""Every code block of the README has a test that runs it."""

import ast

from tests.support import readme
from tests.support.blocks import ROOT, shown

STORIES = ("test_readme.py", "test_site.py")


def test_every_block_is_known() -> None:
    found = [readme.names_of(block) for block in readme.told()]
    assert [block.text for block, names in zip(readme.told(), found, strict=True) if len(names) != 1] == []
    assert [names[0] for names in found] == readme.all_names()


def test_a_story_runs_each_of_them() -> None:
    run: set[str] = set()
    for story in STORIES:
        tree = ast.parse((ROOT / "tests" / "e2e" / story).read_text())
        run |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert set(readme.all_names()) - run == set()


def test_what_is_left_out_stands_for_anything() -> None:
    assert shown("a … c\n…\nz").search("before\na b c\n1\n2\nz\n")
    assert not shown("a … c\nz").search("a b c\n1\nz\n")
