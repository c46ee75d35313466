"""Frozen dataclasses of the core <-> JSON values, by their annotations: a new field of a record travels without a line of code here.

Absent keys become the field's default and unknown keys are passed over, so neighbouring releases read each other, and a field's default
is never changed. What a line of the journal looks like is left to `codec`.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from agentcore_metering.core.payload import to_json

__all__ = ["UNPACK_ERRORS", "pack", "unpack"]

T = TypeVar("T")

UNPACK_ERRORS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What `unpack` raises for values that no `pack` has made."""


class _Pair(NamedTuple):
    """The two directions of one type."""

    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]


class _Field(NamedTuple):
    name: str
    pair: _Pair
    default: Any
    """What an absent key stands for, so that it needs no room; `_REQUIRED` where the field has none."""


_REQUIRED = object()
_NOTHING: frozenset[str] = frozenset()


def pack(value: Any, leave_out: frozenset[str] = _NOTHING) -> dict[str, Any]:
    """A dataclass as a dict of JSON values, without the fields that are named. What JSON cannot hold becomes its text; raises nothing."""
    packed = {}
    for name, pair, default in _fields(type(value), leave_out):
        item = getattr(value, name)
        if item is default or item == default:
            continue
        packed[name] = item if pair is _PLAIN or item is None else pair.pack(item)
    return packed


def unpack(cls: type[T], packed: Mapping[str, Any]) -> T:
    """The dataclass that `pack` has packed. Raises one of `UNPACK_ERRORS` where `packed` is none."""
    readers = _readers(cls)
    # By what is there, since most fields of most records are not.
    found = {
        name: item if item is None or (read := readers[name]) is None else read(item)
        for name, item in packed.items()
        if name in readers
    }
    return cls(**found)


def _compile(cls: Any, leave_out: frozenset[str] = _NOTHING) -> tuple[_Field, ...]:
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        _Field(item.name, _pair(hints[item.name]), _default_of(item))
        for item in dataclasses.fields(cls)
        if item.name not in leave_out
    )


def _default_of(item: dataclasses.Field[Any]) -> Any:
    default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
    # A whole dataclass takes longer to compare than to write.
    return default if default is None or isinstance(default, (bool, int, str, tuple, Mapping)) else _REQUIRED


_fields: Callable[..., tuple[_Field, ...]] = cache(_compile)


def _compile_readers(cls: Any) -> dict[str, Callable[[Any], Any] | None]:
    """How each field is read; None where it is its JSON value."""
    return {name: None if pair is _PLAIN else pair.unpack for name, pair, _default in _fields(cls)}


_readers: Callable[[Any], dict[str, Callable[[Any], Any] | None]] = cache(_compile_readers)


def _pair(annotation: Any) -> _Pair:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:  # `PlainJSON`
        return _PLAIN
    if origin in (Union, types.UnionType):
        members = [member for member in arguments if member is not type(None)]
        return _pair(members[0]) if len(members) == 1 else _SCALAR
    if origin is tuple:
        return _tuple_of(_pair(arguments[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _JSON if arguments[1] is Any else _mapping_of(*map(_pair, arguments))
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return _Pair(pack, lambda packed: unpack(annotation, packed))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        # The class itself, asked for a member, takes five times as long.
        by_value = {member.value: member for member in annotation}
        return _Pair(lambda member: member.value, by_value.__getitem__)
    return _BY_TYPE[annotation]


def _tuple_of(item: _Pair) -> _Pair:
    return _Pair(lambda values: [item.pack(value) for value in values], lambda values: tuple(map(item.unpack, values)))


def _mapping_of(key: _Pair, value: _Pair) -> _Pair:
    return _Pair(
        lambda mapping: {key.pack(name): value.pack(item) for name, item in mapping.items()},
        lambda mapping: {key.unpack(name): value.unpack(item) for name, item in mapping.items()},
    )


def _unchanged(value: Any) -> Any:
    return value


def _scalar(value: Any) -> Any:
    return value if isinstance(value, (str, int)) else str(value)


def _to_json(value: Any) -> Any:
    try:
        return to_json(value)
    except Exception as exc:  # noqa: BLE001 - a host's object whose __str__ fails must not cost the record
        return {"unreadable": f"{type(value).__name__}: {type(exc).__name__}"}


_PLAIN = _Pair(_unchanged, _unchanged)
_SCALAR = _Pair(_scalar, _unchanged)
_JSON = _Pair(_to_json, dict)
_BY_TYPE: dict[Any, _Pair] = {
    UUID: _Pair(lambda value: value.hex, UUID),
    datetime: _Pair(datetime.isoformat, datetime.fromisoformat),
    Decimal: _Pair(str, Decimal),
    str: _PLAIN,
    int: _PLAIN,
    float: _PLAIN,
    bool: _PLAIN,
}
