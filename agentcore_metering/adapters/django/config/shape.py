"""What the options of a configuration may look like, so that they can be stored on every database and sent to a provider.

Which keys a provider requires is checked when it is called, not here: a configuration may be saved before it is complete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from agentcore_metering.adapters.django.outbound import refusal_of, refusal_of_text
from agentcore_metering.core.errors import InvalidField

__all__ = ["require_sendable", "require_sound"]

MAX_DEPTH = 16
MAX_BYTES = 65_536
"""Of all options together, as JSON: lists show every configuration whole."""
NUL = "\x00"

_TYPES: dict[str, tuple[type, str]] = {
    "api_base": (str, "a text"),
    "api_key": (str, "a text"),
    "api_version": (str, "a text"),
    "deployment": (str, "a text"),
    "extra_headers": (dict, "an object"),
    "model": (str, "a text"),
    "organization": (str, "a text"),
}


def require_sound(options: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Raise InvalidField for a value that is wrong and new; what is already stored may stay."""
    for key, value in options.items():
        if key in stored and stored[key] == value:
            continue
        path = f"config.{key}"
        _require_json(path, key, 0)
        _require_json(path, value, 0)
        expected, words = _TYPES.get(key, (object, ""))
        if not isinstance(value, expected):
            raise InvalidField(path, f"{key} must be {words}.")
        require_sendable(path, key, value)
    if _size_bytes(options) > max(MAX_BYTES, _size_bytes(stored)):
        raise InvalidField("config", f"A configuration has at most {MAX_BYTES} bytes as JSON.")


def require_sendable(path: str, key: str, value: Any) -> None:
    """Raise InvalidField where calls may not be sent to the place that `value` names, or with what it stands for."""
    if problem := refusal_of_text(value):
        raise InvalidField(path, problem)
    if refusal := refusal_of({key: value}):
        raise InvalidField(path, refusal[1])


def _require_json(path: str, value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidField(path, f"This is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, dict):
        for key, item in value.items():
            _require_json(path, key, depth + 1)
            _require_json(path, item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _require_json(path, item, depth + 1)
    elif isinstance(value, str) and not _is_storable(value):
        raise InvalidField(path, "Null characters and lone surrogates are not allowed.")
    elif isinstance(value, float) and not isfinite(value):
        raise InvalidField(path, "Numbers must be finite.")


def _size_bytes(options: Mapping[str, Any]) -> int:
    return len(json.dumps(dict(options), default=str))


def _is_storable(text: str) -> bool:
    # PostgreSQL's jsonb takes neither.
    return NUL not in text and not any("\ud800" <= character <= "\udfff" for character in text)
