"""What a process says of itself on its internal port."""

import aiohttp

from tests.support.processes import Process


async def metric(process: Process, sample: str) -> float:
    """The value of a sample (name and labels as Prometheus prints them); 0 where it was never touched."""
    where = await process.listening()
    url = where.get("internal_url", where.get("endpoint"))
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{sample} ")), 0.0)
