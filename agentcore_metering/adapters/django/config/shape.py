"""What the options of a configuration may look like, so that they can be stored on every database and sent to a provider.

Which keys a provider requires is checked when it is called, not here: a configuration may be saved before it is complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from agentcore_metering.core.errors import InvalidField

__all__ = ["require_sound"]

MAX_DEPTH = 16
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
        if key == "api_base" and value and not _is_http_url(str(value)):
            raise InvalidField(path, "api_base must be an address such as https://api.example.com/v1.")


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


def _is_storable(text: str) -> bool:
    # PostgreSQL's jsonb takes neither.
    return NUL not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
