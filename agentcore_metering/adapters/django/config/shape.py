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

_TEXT, _OBJECT = "%(key)s must be a text.", "%(key)s must be an object."
_TYPES: dict[str, tuple[type, str]] = {
    "api_base": (str, _TEXT),
    "api_key": (str, _TEXT),
    "api_version": (str, _TEXT),
    "deployment": (str, _TEXT),
    "extra_headers": (dict, _OBJECT),
    "model": (str, _TEXT),
    "organization": (str, _TEXT),
}


def require_sound(options: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Raise InvalidField for a value that is wrong and new; what is already stored may stay."""
    for key, value in options.items():
        if key in stored and stored[key] == value:
            continue
        path = f"config.{key}"
        _require_json(path, key, 0)
        _require_json(path, value, 0)
        expected, message = _TYPES.get(key, (object, ""))
        if not isinstance(value, expected):
            raise InvalidField(path, message, {"key": key})
        require_sendable(path, key, value)
    if _size_bytes(options) > max(MAX_BYTES, _size_bytes(stored)):
        raise InvalidField("config", "A configuration has at most %(most)s bytes as JSON.", {"most": MAX_BYTES})


def require_sendable(path: str, key: str, value: Any) -> None:
    """Raise InvalidField where calls may not be sent to the place that `value` names, or with what it stands for."""
    if problem := refusal_of_text(value):
        raise InvalidField(path, problem)
    if refusal := refusal_of({key: value}):
        raise InvalidField(path, refusal[1])


def _require_json(path: str, value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidField(path, "This is nested more than %(most)s levels deep.", {"most": MAX_DEPTH})
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
