"""Whether the ports of a node and a worker are free, and who has them else."""

from streamer.cli import health, holder
from streamer.cli.environment import PortFault, port_faults
from streamer.settings import Settings
from streamer.store.finding import Finding, ok, unknown, wrong


def examine(settings: Settings) -> list[Finding]:
    """One finding for each that is not to be had."""
    faults = list(port_faults(settings))
    return [_finding(fault) for fault in faults] or [ok("ports", "They are free.")]


def _finding(fault: PortFault) -> Finding:
    who = holder.of(fault.port)
    what = f"{fault.what}{f' by {who}' if who else ''}."
    if fault.is_taken and health.ask(f"http://{_reached(fault.host)}:{fault.port}/livez") is None:
        return unknown("ports", what, "It answers as a process of Streamer does: fine, if it is the one that you mean.")
    return wrong("ports", what, f"Stop what uses it, or set {fault.variable} to another (0: any free one).")


def _reached(host: str) -> str:
    """The address to call where a process listens on this host."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  # nothing is bound here
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
