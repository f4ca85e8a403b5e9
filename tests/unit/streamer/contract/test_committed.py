"""The contract of the demo actions lies in the documents, where a change of it is seen in a review."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamer.actions import load_registry
from streamer.contract import asyncapi, openapi
from streamer.contract.write import written

FOLDER = Path(__file__).parents[4] / "docs" / "contract"


@pytest.mark.parametrize(("name", "document"), [("asyncapi", asyncapi.document), ("openapi", openapi.document)])
def test_the_committed_contract_is_the_generated_one(name: str, document: Callable[..., Any]) -> None:
    made = written(document(load_registry((), threads=1)))
    assert (FOLDER / f"{name}.json").read_bytes() == made, "renew it: streamer contract --out docs/contract"
