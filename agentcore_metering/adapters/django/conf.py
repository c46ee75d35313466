"""Owns every Django setting that this app has: name, type, default and what a wrong value is told.

The only module that reads `django.conf.settings`. Nothing is cached, so `override_settings` works; what a setting means is left to
the module that uses it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, overload
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from agentcore_metering.constants import THINKING_OFF_PREFIXES

__all__ = [
    "AUTH_USER_MODEL",
    "AllowedHost",
    "MeteringSettings",
    "Setting",
    "database_identity",
    "deepseek_thinking_model_prefixes",
    "is_debug",
    "legacy_llm_settings",
    "metering_settings",
    "secret_key_material",
    "setting_names",
    "uses_time_zones",
]

T = TypeVar("T")

COST_CONVENTIONS = ("otel-draft", "gen_ai.usage.cost", "operation.cost", "none")
CONTENT_MODES = ("NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT")
TRACE_PLACEHOLDERS = ("trace_id", "span_id")
WRITE_MODES = ("auto", "journal", "inline")
SPOOL_SYNCS = ("interval", "always", "off")

PREFIX = "AGENTCORE_METERING_"

AUTH_USER_MODEL: str = django_settings.AUTH_USER_MODEL
"""The host's user model. Django fixes it before any model is loaded, so reading it once is safe."""


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


class Setting(Generic[T]):
    """A setting without its prefix; reading it from `metering_settings` gives the typed value of this moment."""

    def __init__(self, default: T, kind: Kind[T]) -> None:
        self.default = default
        self._kind = kind
        self.name = ""

    def __set_name__(self, owner: type[object], name: str) -> None:
        self.name = f"{PREFIX}{name}"

    @overload
    def __get__(self, instance: None, owner: type[object]) -> Setting[T]: ...
    @overload
    def __get__(self, instance: object, owner: type[object]) -> T: ...
    def __get__(self, instance: object | None, owner: type[object]) -> Setting[T] | T:
        if instance is None:
            return self
        return _read(self.name, self.default, self._kind)


def _read(name: str, default: T, kind: Kind[T]) -> T:
    value = getattr(django_settings, name, default)
    if value is default:
        return default
    try:
        return kind.parse(value)
    except (TypeError, ValueError) as error:
        seen = type(value).__name__ if kind.is_secret else repr(value)
        message = f"{name} is {seen}, but must be {kind.expected}. Correct it in the Django settings or leave it out."
        raise ImproperlyConfigured(message) from (None if kind.is_secret else error)


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


_BOOLEAN: Kind[bool] = Kind(lambda value: _instance(value, bool), "True or False")
_TEXT: Kind[str] = Kind(lambda value: _instance(value, str), "a string")
_SPOOL_DIR: Kind[Path | None] = Kind(
    lambda value: None if value is None else Path(_path(value)), "None or a directory's path"
)
_WRITE_MODE: Kind[str] = Kind(lambda value: _one_of(value, WRITE_MODES), f"one of {', '.join(WRITE_MODES)}")
_SPOOL_SYNC: Kind[str] = Kind(lambda value: _one_of(value, SPOOL_SYNCS), f"one of {', '.join(SPOOL_SYNCS)}")
_WHOLE_NUMBER: Kind[int] = Kind(_whole_number, "a whole number")
_POSITIVE: Kind[int] = Kind(_positive, "a whole number above 0")
_COST_CONVENTION: Kind[str] = Kind(
    lambda value: _one_of(value, COST_CONVENTIONS), f"one of {', '.join(COST_CONVENTIONS)}"
)
_CONTENT_MODE: Kind[str | None] = Kind(
    lambda value: None if value is None else _one_of(value, CONTENT_MODES), f"None or one of {', '.join(CONTENT_MODES)}"
)
_REDACTOR: Kind[Callable[[str], str] | None] = Kind(
    _redactor, "None, a function from text to text, or the dotted path of one that can be imported"
)
_TRACE_URL_TEMPLATE: Kind[str | None] = Kind(
    _trace_url_template,
    "None or an http(s) address with {trace_id} in it, which may have {span_id} too and no other placeholder, and no spaces",
)
_ADDRESS: Kind[str | None] = Kind(_address, "None or an http(s) address")
_SECONDS: Kind[float] = Kind(_seconds, "a number of seconds, 0 or more")
_KEYS: Kind[tuple[str, ...]] = Kind(
    _texts, "a list of strings, newest first, or one string with commas between them", is_secret=True
)
_PREFIXES: Kind[tuple[str, ...]] = Kind(_texts, "a list of strings, or one string with commas between them")
_ALLOWED_HOSTS: Kind[tuple[AllowedHost, ...]] = Kind(
    _allowed_hosts,
    "a list of hosts (ollama, .svc.example), addresses or networks (10.0.0.0/8), each perhaps with a :port",
)
_CLASSES: Kind[tuple[str, ...]] = Kind(_dotted_paths, "a list of dotted paths of classes that can be imported")
_RATE: Kind[str | None] = Kind(_rate, "None or a number of requests in a period, such as 10/min")
_LLM: Kind[dict[str, Any] | None] = Kind(_llm, 'None or {"provider": "...", "config": {...}}', is_secret=True)
_LEGACY_PROVIDER: Kind[str | None] = Kind(_optional(str), "a provider's id, such as openai")
_LEGACY_CONFIG: Kind[dict[str, Any] | None] = Kind(_optional(dict), "a dictionary", is_secret=True)


class MeteringSettings:
    """The settings, each `AGENTCORE_METERING_<NAME>` in Django's; a wrong type raises ImproperlyConfigured at access."""

    RETENTION_DAYS = Setting(365, _WHOLE_NUMBER)
    """Days that usage is kept before the clean-up deletes it."""

    CLEANUP_ENABLED = Setting(True, _BOOLEAN)
    """Whether the periodic clean-up deletes anything."""

    CLEANUP_CRONTAB = Setting("0 2 * * *", _TEXT)
    """When the clean-up runs: minute, hour, day of month, month, day of week."""

    AGGREGATION_CRONTAB = Setting("5 * * * *", _TEXT)
    """When closed buckets are aggregated: minute, hour, day of month, month, day of week."""

    AGGREGATION_TIMEZONE = Setting("Asia/Shanghai", _TEXT)
    """IANA name that `get_aggregation_timezone` gives to existing projects. Nothing here reads it: sums are made in UTC, shown in any zone."""

    LLM = Setting[dict[str, Any] | None](None, _LLM)
    """The configuration of last resort, `{"provider": ..., "config": {...}}`: used where the database has none. None: there is none."""

    ENCRYPTION_KEYS = Setting[tuple[str, ...]]((), _KEYS)
    """Fernet keys for stored secrets, newest first: the first seals, all of them open. Empty: a key is derived from SECRET_KEY."""

    DEFER_ENCRYPTION = Setting(False, _BOOLEAN)
    """Whether `migrate` leaves plain secrets of an existing database for `metering_secrets encrypt`: for deployments in which processes of
    an older release, which read plain text only, still run after it."""

    ALLOWED_PRIVATE_HOSTS = Setting[tuple[AllowedHost, ...]]((), _ALLOWED_HOSTS)
    """Hosts and networks off the public Internet to which stored configurations may send calls. With DEBUG this machine is one of them."""

    API_PERMISSION_CLASSES = Setting[tuple[str, ...]](("rest_framework.permissions.IsAdminUser",), _CLASSES)
    """REST framework's permission classes of the admin API; all of them must agree."""

    TEST_RATE = Setting[str | None]("10/min", _RATE)
    """How many test calls a user may make by the API; None: no limit. Counted in Django's default cache."""

    DATABASE_ALIAS = Setting("default", _TEXT)
    """The database that usage rows are written to."""

    REDACT_EXCEPTIONS = Setting(True, _BOOLEAN)
    """Whether secrets in a provider's exception are masked and its chained tracebacks, whose frames hold the key, are cut."""

    READ_WAIT_S = Setting(1.0, _SECONDS)
    """Seconds that a query on usage waits for this process's own rows that are still on their way; 0: it does not wait."""

    WRITE_MODE = Setting("auto", _WRITE_MODE)
    """How rows get into the database: by a `journal` on disk and a thread that drains it, or `inline` before the call returns. `auto`
    takes the journal, except in test runs and on SQLite in memory."""

    SPOOL_DIR = Setting[Path | None](None, _SPOOL_DIR)
    """The journal's directory, on a disk that outlives the process. None: one under the system's temporary directory, named after the
    project's database; a check warns of it in production."""

    SPOOL_MAX_BYTES = Setting(1024**3, _WHOLE_NUMBER)
    """Bytes that the journals of all processes may take together; past it records wait in memory."""

    SPOOL_SYNC = Setting("interval", _SPOOL_SYNC)
    """When records reach the platter: once a second (`interval`), before the call goes on (`always`), or when the system likes (`off`).
    Only a loss of power makes a difference."""

    COST_SPAN_CONVENTION = Setting("otel-draft", _COST_CONVENTION)
    """The name of the cost on spans: `otel-draft` (amount, currency and source as proposed to the GenAI conventions), or for stores that
    read one of these two names and take dollars for granted `gen_ai.usage.cost` or `operation.cost`; `none`: our own names alone."""

    COST_METRIC_ALIAS = Setting(False, _BOOLEAN)
    """Whether the histogram `gen_ai.usage.cost` is measured too, of calls that cost US dollars, for dashboards that chart it."""

    MAX_METRIC_MODELS = Setting(200, _POSITIVE)
    """Distinct names of models on the metrics of one process; every further one is counted as `other`."""

    CAPTURE_CONTENT = Setting[str | None](None, _CONTENT_MODE)
    """Where the contents of messages go: `NO_CONTENT`, `SPAN_ONLY`, `EVENT_ONLY` or `SPAN_AND_EVENT`. None: what the environment variable
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says, so nothing unless it is set."""

    CONTENT_REDACTOR = Setting[Callable[[str], str] | None](None, _REDACTOR)
    """The host's redaction of captured texts: a function from text to text, or its dotted path. Secrets are masked after it, always."""

    TRACE_URL_TEMPLATE = Setting[str | None](None, _TRACE_URL_TEMPLATE)
    """Address of a trace in the host's tracing tool, with `{trace_id}` and perhaps `{span_id}`; what the admin and the API link to.
    None: no links."""

    INSTRUMENT_LITELLM = Setting(False, _BOOLEAN)
    """Whether calls of LiteLLM that do not go through `LLMTracker` are metered too: the host's own and those of frameworks."""

    PROMETHEUS_URL = Setting[str | None](None, _ADDRESS)
    """Address of Prometheus, or of an engine with its query API, that `metering_reconcile` compares the rows with."""

    ROLLUP_INTERVAL_S = Setting(60.0, _SECONDS)
    """Seconds between two refreshes of the rollups by a process that writes rows; 0: it leaves them to the task and the command."""

    INLINE_WAIT_S = Setting(1.0, _SECONDS)
    """Seconds that a call waits for its own row where rows are written inline."""

    PRELOAD_LITELLM = Setting(False, _BOOLEAN)
    """Whether a process that serves imports LiteLLM in the background as soon as it has started, rather than in its first call."""

    DISABLE_LITELLM_STREAM_LOGGING = Setting(False, _BOOLEAN)
    """Whether LiteLLM's own work for each chunk of a stream, done for its callbacks and its cache, is off for the whole process."""


metering_settings = MeteringSettings()


def legacy_llm_settings() -> dict[str, Any] | None:
    """The older settings as `{"provider": ..., "config": {...}}`, or None where they name no configuration.

    `LLM_PROVIDER` (`openai` when absent) selects `<PROVIDER>_CONFIG`, for example `AZURE_OPENAI_CONFIG` for `azure_openai`.
    Raises ImproperlyConfigured where one of the two has the wrong type.
    """
    provider = (_read("LLM_PROVIDER", None, _LEGACY_PROVIDER) or "openai").strip().lower()
    name = f"{provider.upper().replace('-', '_')}_CONFIG"
    config = _read(name, None, _LEGACY_CONFIG)
    return {"provider": provider, "config": dict(config)} if config else None


def database_identity(alias: str) -> tuple[str, ...]:
    """What tells the database `alias` from others on this machine: engine, name, host and port. ImproperlyConfigured where there is none."""
    database = django_settings.DATABASES.get(alias)
    if database is None:
        raise ImproperlyConfigured(f"AGENTCORE_METERING_DATABASE_ALIAS is {alias!r}, which DATABASES does not have.")
    return tuple(str(database.get(key, "")) for key in ("ENGINE", "NAME", "HOST", "PORT"))


def deepseek_thinking_model_prefixes() -> tuple[str, ...]:
    """`AGENTCORE_DEEPSEEK_THINKING_MODEL_PREFIXES`, the reference's name: LiteLLM models whose thinking is turned off by name."""
    return _read("AGENTCORE_DEEPSEEK_THINKING_MODEL_PREFIXES", THINKING_OFF_PREFIXES, _PREFIXES)


def setting_names() -> tuple[str, ...]:
    """Every setting by its name in `MeteringSettings`."""
    return tuple(name for name, value in vars(MeteringSettings).items() if isinstance(value, Setting))


def uses_time_zones() -> bool:
    """Django's USE_TZ: whether the database is given moments with their zone."""
    return bool(django_settings.USE_TZ)


def is_debug() -> bool:
    """Django's DEBUG: whether this is somebody's own machine and not production."""
    return bool(django_settings.DEBUG)


def secret_key_material() -> tuple[str | bytes, ...]:
    """Django's SECRET_KEY and after it SECRET_KEY_FALLBACKS: what keys are derived from where none are configured."""
    return (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)


def __getattr__(name: str) -> Any:
    """Names that existing projects import from here; their home reads the database, which this module must not."""
    if name.startswith("__"):
        raise AttributeError(name)
    home = import_module("agentcore_metering.adapters.django.services.policy_names")
    if name not in home.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(home, name)
