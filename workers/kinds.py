"""Which classes a worker is made of: the plain ones, or those that make spans of what they do."""

import importlib
from dataclasses import dataclass

from streamer.cluster.courier import Courier
from streamer.submitter import Submitter
from workers.executor import Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    executor: type[Executor] = Executor
    courier: type[Courier] = Courier
    submitter: type[Submitter] = Submitter


def kinds(*, is_traced: bool) -> Kinds:
    if not is_traced:
        return Kinds()
    traced: Kinds = importlib.import_module("workers.traced").KINDS
    return traced
