"""Owns which values a setting can have: what is a right one, how it is read, and what a wrong one is told. Reads no setting itself."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

from django.utils.module_loading import import_string

__all__ = [
    "ADDRESS",
    "ALLOWED_HOSTS",
    "BOOLEAN",
    "CLASSES",
    "CONTENT_MODE",
    "COST_CONVENTION",
    "KEYS",
    "LEGACY_CONFIG",
    "LEGACY_PROVIDER",
    "LLM",
    "POSITIVE",
    "PREFIXES",
    "RATE",
    "REDACTOR",
    "SECONDS",
    "SPOOL_DIR",
    "SPOOL_SYNC",
    "TEXT",
    "TRACE_URL_TEMPLATE",
    "WHOLE_NUMBER",
    "WRITE_MODE",
    "AllowedHost",
    "Kind",
]

T = TypeVar("T")

COST_CONVENTIONS = ("otel-draft", "gen_ai.usage.cost", "operation.cost", "none")
CONTENT_MODES = ("NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT")
TRACE_PLACEHOLDERS = ("trace_id", "span_id")
WRITE_MODES = ("auto", "journal", "inline")
SPOOL_SYNCS = ("interval", "always", "off")


class Kind(NamedTuple, Generic[T]):
    """One type of setting."""

    parse: Callable[[Any], T]
    """The typed value; raises TypeError or ValueError for anything else."""
    expected: str
    """What a right value is, for the error message."""
    is_secret: bool = False
    """Whether the value seen must stay out of the error message."""


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry of AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS: a name, or a network."""

    name: str = ""
    """A host in lower case; with a dot in front, every host below that domain."""
    network: IPv4Network | IPv6Network | None = None
    port: int | None = None
    """None: every port."""

    @classmethod
    def parse(cls, text: str) -> AllowedHost:
        """The entry that `text` is; ValueError where it is none."""
        host, port = text.strip().lower(), None
        found = _HOST_AND_PORT.match(host)
        if found:
            host, port = found["host"].strip("[]"), int(found["port"])
        try:
            return cls(network=ip_network(host), port=port)
        except ValueError:
            pass
        name = host.removeprefix("*")
        if not _HOST_NAME.match(name) or (port is not None and not 0 < port < 65536):
            raise ValueError(text)
        return cls(name=name, port=port)

    def has_name(self, host: str, port: int) -> bool:
        """Whether this is the host by name."""
        is_it = host.endswith(self.name) if self.name.startswith(".") else host == self.name
        return self.network is None and is_it and self.port in (None, port)

    def has_ip(self, ip: IPv4Address | IPv6Address, port: int) -> bool:
        """Whether the address is in this network."""
        return self.network is not None and ip in self.network and self.port in (None, port)


_HOST_AND_PORT = re.compile(r"\A(?P<host>[^:\[\]]+|\[[^\]]+\]):(?P<port>[0-9]{1,5})\Z")
_HOST_NAME = re.compile(r"\A\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*\Z")


def _instance(value: Any, types: type[T] | tuple[type[T], ...]) -> T:
    if not isinstance(value, types):
        raise TypeError(type(value).__name__)
    return value


def _whole_number(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError("bool")
    return _instance(value, int)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(type(value).__name__)
    if not 0 <= value < float("inf"):
        raise ValueError(value)
    return float(value)


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    stripped = (_instance(item, str).strip() for item in _instance(value, (list, tuple)))
    return tuple(item for item in stripped if item)


@lru_cache(maxsize=256)
def _allowed_host(text: str) -> AllowedHost:
    return AllowedHost.parse(text)


def _allowed_hosts(value: Any) -> tuple[AllowedHost, ...]:
    return tuple(_allowed_host(text) for text in _texts(value))


def _dotted_paths(value: Any) -> tuple[str, ...]:
    paths = _texts(value)
    if not paths:
        raise ValueError(value)
    for path in paths:
        try:
            import_string(path)
        except ImportError as error:
            raise ValueError(str(error)) from error
    return paths


def _rate(value: Any) -> str | None:
    if value is not None and not re.fullmatch(r"[1-9][0-9]*/(s|sec|second|m|min|minute|h|hour|d|day)", value):
        raise ValueError(value)
    return value  # type: ignore[no-any-return]  # None or a text, as checked


def _llm(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    _instance(value, dict)
    return {
        "provider": _instance(value.get("provider"), str),
        "config": dict(_instance(value.get("config", {}), dict)),
    }


def _one_of(value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(value)
    return str(value)


def _path(value: Any) -> str:
    path = os.fspath(value)
    if not isinstance(path, str) or not path:
        raise ValueError(value)
    return path


def _optional(types: type[T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else _instance(value, types)


def _positive(value: Any) -> int:
    if _whole_number(value) < 1:
        raise ValueError(value)
    return int(value)


def _redactor(value: Any) -> Callable[[str], str] | None:
    if isinstance(value, str):
        try:
            value = import_string(value)
        except ImportError as error:
            raise ValueError(str(error)) from error
    if value is not None and not callable(value):
        raise TypeError(type(value).__name__)
    return value  # type: ignore[no-any-return]  # what it takes and gives shows when it is called


def _trace_url_template(value: Any) -> str | None:
    if value is None:
        return None
    parts = urlsplit(_instance(value, str))
    placeholders = re.findall(r"\{(\w+)\}", value)
    is_address = (
        parts.scheme in ("http", "https") and parts.hostname is not None and not re.search(r"[\s\x00-\x1f]", value)
    )
    if not is_address or "trace_id" not in placeholders or not set(placeholders) <= set(TRACE_PLACEHOLDERS):
        raise ValueError(value)
    return str(value)


def _address(value: Any) -> str | None:
    if value is not None and (
        urlsplit(_instance(value, str)).scheme not in ("http", "https") or not urlsplit(value).hostname
    ):
        raise ValueError(value)
    return None if value is None else str(value)


BOOLEAN: Kind[bool] = Kind(lambda value: _instance(value, bool), "True or False")
TEXT: Kind[str] = Kind(lambda value: _instance(value, str), "a string")
SPOOL_DIR: Kind[Path | None] = Kind(
    lambda value: None if value is None else Path(_path(value)), "None or a directory's path"
)
WRITE_MODE: Kind[str] = Kind(lambda value: _one_of(value, WRITE_MODES), f"one of {', '.join(WRITE_MODES)}")
SPOOL_SYNC: Kind[str] = Kind(lambda value: _one_of(value, SPOOL_SYNCS), f"one of {', '.join(SPOOL_SYNCS)}")
WHOLE_NUMBER: Kind[int] = Kind(_whole_number, "a whole number")
POSITIVE: Kind[int] = Kind(_positive, "a whole number above 0")
COST_CONVENTION: Kind[str] = Kind(
    lambda value: _one_of(value, COST_CONVENTIONS), f"one of {', '.join(COST_CONVENTIONS)}"
)
CONTENT_MODE: Kind[str | None] = Kind(
    lambda value: None if value is None else _one_of(value, CONTENT_MODES), f"None or one of {', '.join(CONTENT_MODES)}"
)
REDACTOR: Kind[Callable[[str], str] | None] = Kind(
    _redactor, "None, a function from text to text, or the dotted path of one that can be imported"
)
TRACE_URL_TEMPLATE: Kind[str | None] = Kind(
    _trace_url_template,
    "None or an http(s) address with {trace_id} in it, which may have {span_id} too and no other placeholder, and no spaces",
)
ADDRESS: Kind[str | None] = Kind(_address, "None or an http(s) address")
SECONDS: Kind[float] = Kind(_seconds, "a number of seconds, 0 or more")
KEYS: Kind[tuple[str, ...]] = Kind(
    _texts, "a list of strings, newest first, or one string with commas between them", is_secret=True
)
PREFIXES: Kind[tuple[str, ...]] = Kind(_texts, "a list of strings, or one string with commas between them")
ALLOWED_HOSTS: Kind[tuple[AllowedHost, ...]] = Kind(
    _allowed_hosts,
    "a list of hosts (ollama, .svc.example), addresses or networks (10.0.0.0/8), each perhaps with a :port",
)
CLASSES: Kind[tuple[str, ...]] = Kind(_dotted_paths, "a list of dotted paths of classes that can be imported")
RATE: Kind[str | None] = Kind(_rate, "None or a number of requests in a period, such as 10/min")
LLM: Kind[dict[str, Any] | None] = Kind(_llm, 'None or {"provider": "...", "config": {...}}', is_secret=True)
LEGACY_PROVIDER: Kind[str | None] = Kind(_optional(str), "a provider's id, such as openai")
LEGACY_CONFIG: Kind[dict[str, Any] | None] = Kind(_optional(dict), "a dictionary", is_secret=True)
