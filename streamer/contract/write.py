"""A document as bytes: the same for the same contract."""

from typing import Any

import orjson


def written(document: Any) -> bytes:
    """JSON with sorted keys, indented by two, with a newline at its end."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
