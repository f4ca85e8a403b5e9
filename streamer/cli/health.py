"""How a process is, by its own account; imports nothing that takes long."""

import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from http.client import HTTPException
from typing import Final

TIMEOUT_S: Final = 3.0


def check(url: str) -> int:
    """The exit code: 0 if the URL answers 200, else 1 and a sentence on stderr."""
    fault = ask(url)
    if fault is None:
        return 0
    sys.stderr.write(f"{fault}\n")
    return 1


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
