"""Reading what providers send: answers come as objects, as dicts, or as a mixture of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

__all__ = ["count_numbers", "fields_of", "first", "merged", "read", "read_int", "texts_in", "to_json"]


def read(payload: Any, *names: str) -> Any:
    """The first of the fields `names` that is there and not None, from an object or a dict; else None."""
    if payload is None:
        return None
    # Written out for each kind of payload: every chunk of a stream is asked a dozen times.
    if isinstance(payload, dict):
        for name in names:
            value = payload.get(name)
            if value is not None:
                return value
        return None
    extra = getattr(payload, "__pydantic_extra__", payload)
    if extra is not payload:
        return _read_model(payload, extra, names)
    get = payload.get if isinstance(payload, Mapping) else partial(_attribute, payload)
    return next((value for name in names if (value := get(name)) is not None), None)


def _attribute(payload: Any, name: str) -> Any:
    return getattr(payload, name, None)


def _read_model(model: Any, extra: Mapping[str, Any] | None, names: tuple[str, ...]) -> Any:
    """From a pydantic model. Asked for a field that it does not have, a model itself takes microseconds to say so."""
    own = model.__dict__
    for name in names:
        value = own.get(name)
        if value is None and extra:
            value = extra.get(name)
        if value is None and (name[0] == "_" or _has_attribute(type(model), name)):
            value = getattr(model, name, None)
        if value is not None:
            return value
    return None


def fields_of(payload: Any) -> Mapping[str, Any]:
    """What an object or a dict holds itself, by name; properties of its class are not among it. For many looks at once."""
    if isinstance(payload, Mapping):
        return payload
    own: Mapping[str, Any] = getattr(payload, "__dict__", {})
    extra = getattr(payload, "__pydantic_extra__", None)
    return {**own, **extra} if extra else own


def _look_for_attribute(model: type, name: str) -> bool:
    return any(name in vars(base) for base in model.__mro__)


_has_attribute: Callable[[Any, str], bool] = lru_cache(1024)(_look_for_attribute)
"""Whether a class itself gives what is no field: a property or a constant."""


def read_int(payload: Any, *names: str) -> int | None:
    """The first of the fields that holds a whole number, or None. A bool, NaN or text is no number of tokens."""
    if payload is None:
        return None
    get = payload.get if type(payload) is dict else partial(read, payload)
    for name in names:
        value = get(name)
        if type(value) is int:
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            continue
        return int(value)
    return None


def first(items: Any) -> Any:
    """The first item of a list-like payload, or None when it is empty or no list."""
    return items[0] if isinstance(items, (list, tuple)) and items else None


def merged(known: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """`known` brought up to date by `later`, at any depth. A zero or nothing in `later` does not take back what is known."""
    result = dict(known)
    for name, value in later.items():
        before = result.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[name] = merged(before, value)
        elif value or not before:
            result[name] = value
    return result


def texts_in(payload: Any) -> list[str]:
    """Every text of a prompt in its order: a text, a list of prompts, or items with a `text` or a `content`."""
    if isinstance(payload, str):
        return [payload]
    if isinstance(payload, (list, tuple)):
        return [text for item in payload for text in texts_in(item)]
    return [] if payload is None else texts_in(read(payload, "text", "content"))


def count_numbers(payload: Any) -> int:
    """How many numbers a prompt holds at any depth of lists: one that was turned into tokens before has one for each."""
    if isinstance(payload, (list, tuple)):
        return sum(count_numbers(item) for item in payload)
    return int(isinstance(payload, int) and not isinstance(payload, bool))


def to_json(payload: Any) -> Any:
    """`payload` as plain JSON values without its None fields; what JSON cannot hold becomes its text."""
    if payload is None or isinstance(payload, (bool, int, str)):
        return payload
    if type(payload) is dict:  # the usual case, and a look at an abstract class takes longer than all of this
        return {str(key): to_json(value) for key, value in payload.items() if value is not None}
    if isinstance(payload, float):
        return payload if math.isfinite(payload) else str(payload)
    if isinstance(payload, Decimal):
        return str(payload)
    if isinstance(payload, Mapping):
        return {str(key): to_json(value) for key, value in payload.items() if value is not None}
    if isinstance(payload, (list, tuple, set, frozenset)):
        return [to_json(item) for item in payload]
    dump = getattr(payload, "model_dump", None)
    if callable(dump):
        return to_json(dump())
    return str(payload)
