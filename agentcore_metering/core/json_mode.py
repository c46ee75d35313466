"""Text that should be a JSON object -> the text of one: fences off, repaired, checked."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from agentcore_metering.core.errors import InvalidJSON

__all__ = ["repair_json_object"]

_FENCE = re.compile(r"\A\s*```[A-Za-z0-9_-]*[ \t]*\r?\n?(?P<body>.*?)(?:\r?\n?```\s*)?\Z", re.DOTALL)
SHOWN_CHARS = 200


def repair_json_object(text: str) -> str:
    """The JSON text of the object in `text`, unchanged where it is valid already.

    Raises:
        InvalidJSON: there is no object in it, and none could be made of it.
    """
    body = _unfenced(text)
    if _is_object(body):
        return body
    # Loaded where it is needed: most answers need no repair.
    from json_repair import repair_json

    # A model that has gone astray opens brackets without end.
    with suppress(RecursionError):
        repaired = repair_json(body)
        if isinstance(repaired, str) and _is_object(repaired):
            return repaired
    raise InvalidJSON(
        f"The answer is no JSON object and could not be repaired into one; it begins {body[:SHOWN_CHARS]!r}"
    )


def _unfenced(text: str) -> str:
    match = _FENCE.match(text)
    return (match.group("body") if match else text).strip()


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
