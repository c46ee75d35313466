"""A configuration's fallback policy as it is stored and sent: its keys, their defaults, and which values they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from agentcore_metering.core.errors import InvalidField
from agentcore_metering.core.fallback import CONDITIONS

__all__ = ["DEFAULT_POLICY", "MAX_BACKUPS", "FallbackPolicy", "parse_fallback"]

MAX_BACKUPS = 3


@dataclass(frozen=True, slots=True)
class FallbackPolicy:
    """What happens when a configuration fails."""

    model_uuids: tuple[str, ...] = ()
    """The configurations to go on with, in this order."""
    inherit_global: bool = False
    """For a user's configuration: the policy of the global default configuration counts in place of this one."""
    conditions: tuple[str, ...] = tuple(name for name in CONDITIONS if name != "empty_response")
    """After which failures."""
    timeout_seconds: int = 120
    """The most that each of the configurations may take, retries included."""
    retries: int = 0
    """Of each configuration, in place of its own `num_retries`."""
    cooldown_seconds: int = 60
    """How long a configuration that failed is passed over."""
    auto_recover: bool = True
    """False: it is passed over until somebody resets it."""

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


DEFAULT_POLICY = FallbackPolicy()


def parse_fallback(value: Any) -> FallbackPolicy | None:
    """The policy that `value` is, its missing keys as `DEFAULT_POLICY` has them; None where there is none.

    Raises:
        InvalidField: a key is unknown or has a value that it does not take.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidField(
            "fallback", "A fallback policy is an object or null, not %(type)s.", {"type": type(value).__name__}
        )
    unknown = sorted(str(key) for key in value if key not in _READERS)
    if unknown:
        params = {"key": unknown[0][:64], "known": ", ".join(_READERS)}
        raise InvalidField("fallback", "%(key)r is no key of a policy. Use: %(known)s.", params)
    policy = FallbackPolicy(**{name: _READERS[name](name, given) for name, given in value.items()})
    if policy.model_uuids and not policy.conditions:
        raise InvalidField(
            "fallback.conditions", "Name at least one failure after which the next configuration is tried."
        )
    if policy.inherit_global and policy.model_uuids:
        raise InvalidField("fallback.model_uuids", "A policy that is inherited has no configurations of its own.")
    return policy


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidField(f"fallback.{name}", "This must be true or false, not %(value)r.", {"value": value})
    return value


def _whole_number(smallest: int, largest: int) -> Callable[[str, Any], int]:
    def read(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
            params = {"smallest": smallest, "largest": largest, "value": value}
            message = "This must be a whole number from %(smallest)s to %(largest)s, not %(value)r."
            raise InvalidField(f"fallback.{name}", message, params)
        return value

    return read


def _uuids(name: str, value: Any) -> tuple[str, ...]:
    items = _distinct(name, value)
    if len(items) > MAX_BACKUPS:
        params = {"most": MAX_BACKUPS, "number": len(items)}
        raise InvalidField(f"fallback.{name}", "Name at most %(most)s configurations, not %(number)s.", params)
    try:
        return tuple(str(UUID(item)) for item in items)
    except ValueError:
        raise InvalidField(f"fallback.{name}", "Name configurations by their uuids.") from None


def _conditions(name: str, value: Any) -> tuple[str, ...]:
    items = _distinct(name, value)
    unknown = [item for item in items if item not in CONDITIONS]
    if unknown:
        params = {"value": unknown[0][:64], "known": ", ".join(CONDITIONS)}
        raise InvalidField(f"fallback.{name}", "%(value)r is no condition. Use: %(known)s.", params)
    return items


def _distinct(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise InvalidField(f"fallback.{name}", "This must be a list of texts.")
    if len(set(value)) != len(value):
        raise InvalidField(f"fallback.{name}", "Nothing may be named twice.")
    return tuple(value)


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "model_uuids": _uuids,
    "inherit_global": _flag,
    "conditions": _conditions,
    "timeout_seconds": _whole_number(5, 600),
    "retries": _whole_number(0, 1),
    "cooldown_seconds": _whole_number(0, 3600),
    "auto_recover": _flag,
}
