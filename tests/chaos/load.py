"""All clients of a run, and the pace at which they order."""

import asyncio
from typing import Final

from tests.chaos.client import Client
from tests.chaos.errand import Errand
from tests.chaos.menu import Menu
from tests.chaos.plan import Plan
from tests.support.ledger import Ledger

TENANTS: Final = 5
PLAIN: Final = 8
"""One of so many clients is plain."""
MAX_OPEN: Final = 6
"""Requests of one client."""


class Load:
    """Clients that come in one after the other, and order until they are stopped; then they only wait."""

    def __init__(self, plan: Plan, url: str, ledger: Ledger) -> None:
        self._chance = plan.chance("load")
        self._menu = Menu(plan.chance("menu"))
        self._pace = plan.pace
        self.clients = [
            Client(f"u{number}", f"t{number % TENANTS}", url, ledger, self._chance, plain=number % PLAIN == PLAIN - 1)
            for number in range(plan.clients)
        ]

    @property
    def errands(self) -> list[Errand]:
        return [errand for client in self.clients for errand in client.errands.values()]

    @property
    def is_settled(self) -> bool:
        return all(client.is_settled for client in self.clients)

    async def live(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for client in self.clients:
                group.create_task(client.run())

    async def order(self) -> None:
        """Orders at the pace of the plan, until it is cancelled."""
        while True:
            await asyncio.sleep(self._chance.expovariate(self._pace))
            client = self._chance.choice(self.clients)
            if len(client.open_errands) < MAX_OPEN:
                client.order(self._menu.draw())

    def poison(self) -> None:
        """Somebody orders a job that takes its worker with it."""
        self._chance.choice(self.clients).order(self._menu.poison())
