"""Which classes a node is made of: the plain ones, or those that make spans of what they do."""

import importlib
from dataclasses import dataclass

from app.delivery import Deliveries
from app.handshake import Doorkeeper
from app.inline import Inline
from app.submit import Submits
from streamer.submitter import Submitter


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Without spans nothing of them is loaded: no part asks, while it works, whether they are on."""

    doorkeeper: type[Doorkeeper] = Doorkeeper
    inline: type[Inline] = Inline
    submits: type[Submits] = Submits
    submitter: type[Submitter] = Submitter
    deliveries: type[Deliveries] = Deliveries


def kinds(*, is_traced: bool) -> Kinds:
    if not is_traced:
        return Kinds()
    traced: Kinds = importlib.import_module("app.traced").KINDS
    return traced
