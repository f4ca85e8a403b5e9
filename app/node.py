"""A node: what one app process is made of."""

from dataclasses import dataclass

from app.calls import Calls
from app.catalog import Catalog
from app.dispatch import Dispatch
from app.filling import Fillings
from app.handshake import Doorkeeper
from app.health import Health
from app.history import History
from app.hub import Hub
from app.inbox import Inboxes
from app.inline import Inline
from app.limits import Allowances, Seats
from app.listeners import Listeners
from app.overview import Overviews
from app.presence import Presences, Roster
from app.proxies import Proxies
from app.registrar import Registrar
from app.rest.states import States
from app.tasks import Tasks
from streamer.operations import Operator
from streamer.settings import Settings
from streamer.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The parts of a node that others ask for; `parts` puts them together. The ASGI state has it as `node`."""

    node_id: str  # the boot id of this process
    settings: Settings
    metrics: Metrics
    health: Health
    hub: Hub
    seats: Seats
    allowances: Allowances
    proxies: Proxies
    doorkeeper: Doorkeeper
    dispatch: Dispatch
    inline: Inline
    registrar: Registrar
    listeners: Listeners
    fillings: Fillings
    inboxes: Inboxes
    presences: Presences
    roster: Roster
    catalog: Catalog
    overviews: Overviews
    history: History
    operator: Operator
    states: States
    calls: Calls
    tasks: Tasks
    internal_url: str
