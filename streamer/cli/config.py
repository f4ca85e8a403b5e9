"""`streamer config`: the settings as a process would have them, and where each comes from."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Final

import orjson
import typer
from pydantic import SecretStr

from streamer.cli.table import table
from streamer.settings import PREFIX, Settings

HEADER: Final = ("SETTING", "VALUE", "FROM")
MASK: Final = "********"


def config(
    show: Annotated[bool, typer.Option("--show", help="What it does without any option, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print them as one JSON object.")] = False,
) -> None:
    """Show the settings that hold here, and whether each comes from the environment or is the default.

    Secrets are masked. Exits with 2 where a setting is not understood.
    """
    del show
    told = described(Settings.read(), os.environ)
    if json:
        typer.echo(orjson.dumps(told))
    else:
        typer.echo(table(HEADER, ([name, _text(each["value"]), each["from"]] for name, each in told.items())))


def described(settings: Settings, environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Variable -> its value as JSON has it, and `from`: "environment" or "default"."""
    given = {name.upper() for name, value in environ.items() if value}  # an empty variable counts as not set
    plain = settings.model_dump(mode="json")
    return {
        f"{PREFIX}{name.upper()}": {
            "value": _value(getattr(settings, name), value),
            "from": "environment" if f"{PREFIX}{name.upper()}" in given else "default",
        }
        for name, value in plain.items()
    }


def _value(held: Any, plain: Any) -> Any:
    if isinstance(held, SecretStr):
        return MASK
    return sorted(plain) if isinstance(held, frozenset) else plain


def _text(value: Any) -> str:
    """As one would write it into a variable."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
