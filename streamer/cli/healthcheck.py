"""`streamer healthcheck`: asks a process how it is, for containers without curl."""

from typing import Annotated

import typer

from streamer.cli.health import check


def healthcheck(url: Annotated[str, typer.Argument(help="For example http://127.0.0.1:8080/readyz")]) -> None:
    """Exit with 0 if the URL answers 200, else with 1."""
    raise typer.Exit(check(url))
