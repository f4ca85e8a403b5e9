"""`streamer healthcheck`: asks a process how it is, for containers without curl."""

import urllib.error
import urllib.request
from http import HTTPStatus
from http.client import HTTPException
from typing import Annotated, Final

import typer

from streamer.cli.sentences import FAILED

TIMEOUT_S: Final = 3.0


def healthcheck(url: Annotated[str, typer.Argument(help="For example http://127.0.0.1:8080/readyz")]) -> None:
    """Exit with 0 if the URL answers 200, else with 1."""
    fault = ask(url)
    if fault:
        typer.echo(fault, err=True)
        raise typer.Exit(FAILED)


def ask(url: str) -> str | None:
    """What is wrong, in a sentence; None if the URL answers 200."""
    if not url.startswith(("http://", "https://")):
        return f"{url} is not an HTTP URL."
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310  # the scheme is checked above
            status = answer.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    except (OSError, ValueError, HTTPException) as error:
        return f"{url} does not answer: {getattr(error, 'reason', error)}."
    return None if status == HTTPStatus.OK else f"{url} answers {status}."
