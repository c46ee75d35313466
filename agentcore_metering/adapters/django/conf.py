"""Owns every Django setting that this app has: name, kind, default. What kinds there are is `setting_kinds`'.

The only module that reads `django.conf.settings`. Nothing is cached, so `override_settings` works; what a setting means is left to
the module that uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from agentcore_metering.adapters.django import setting_kinds as kinds
from agentcore_metering.adapters.django.setting_kinds import AllowedHost, Kind
from agentcore_metering.constants import THINKING_OFF_PREFIXES

__all__ = [
    "AUTH_USER_MODEL",
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

PREFIX = "AGENTCORE_METERING_"

AUTH_USER_MODEL: str = django_settings.AUTH_USER_MODEL
"""The host's user model. Django fixes it before any model is loaded, so reading it once is safe."""


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


class MeteringSettings:
    """The settings, each `AGENTCORE_METERING_<NAME>` in Django's; a wrong type raises ImproperlyConfigured at access."""

    RETENTION_DAYS = Setting(365, kinds.WHOLE_NUMBER)
    """Days that usage is kept before the clean-up deletes it."""

    CLEANUP_ENABLED = Setting(True, kinds.BOOLEAN)
    """Whether the periodic clean-up deletes anything."""

    CLEANUP_CRONTAB = Setting("0 2 * * *", kinds.TEXT)
    """When the clean-up runs: minute, hour, day of month, month, day of week."""

    AGGREGATION_CRONTAB = Setting("5 * * * *", kinds.TEXT)
    """When closed buckets are aggregated: minute, hour, day of month, month, day of week."""

    AGGREGATION_TIMEZONE = Setting("Asia/Shanghai", kinds.TEXT)
    """IANA name that `get_aggregation_timezone` gives to existing projects. Nothing here reads it: sums are made in UTC, shown in any zone."""

    LLM = Setting[dict[str, Any] | None](None, kinds.LLM)
    """The configuration of last resort, `{"provider": ..., "config": {...}}`: used where the database has none. None: there is none."""

    ENCRYPTION_KEYS = Setting[tuple[str, ...]]((), kinds.KEYS)
    """Fernet keys for stored secrets, newest first: the first seals, all of them open. Empty: a key is derived from SECRET_KEY."""

    DEFER_ENCRYPTION = Setting(False, kinds.BOOLEAN)
    """Whether `migrate` leaves plain secrets of an existing database for `metering_secrets encrypt`: for deployments in which processes of
    an older release, which read plain text only, still run after it."""

    ALLOWED_PRIVATE_HOSTS = Setting[tuple[AllowedHost, ...]]((), kinds.ALLOWED_HOSTS)
    """Hosts and networks off the public Internet to which stored configurations may send calls. With DEBUG this machine is one of them."""

    API_PERMISSION_CLASSES = Setting[tuple[str, ...]](("rest_framework.permissions.IsAdminUser",), kinds.CLASSES)
    """REST framework's permission classes of the admin API; all of them must agree."""

    TEST_RATE = Setting[str | None]("10/min", kinds.RATE)
    """How many test calls a user may make by the API; None: no limit. Counted in Django's default cache."""

    DATABASE_ALIAS = Setting("default", kinds.TEXT)
    """The database that usage rows are written to."""

    REDACT_EXCEPTIONS = Setting(True, kinds.BOOLEAN)
    """Whether secrets in a provider's exception are masked and its chained tracebacks, whose frames hold the key, are cut."""

    READ_WAIT_S = Setting(1.0, kinds.SECONDS)
    """Seconds that a query on usage waits for this process's own rows that are still on their way; 0: it does not wait."""

    WRITE_MODE = Setting("auto", kinds.WRITE_MODE)
    """How rows get into the database: by a `journal` on disk and a thread that drains it, or `inline` before the call returns. `auto`
    takes the journal, except in test runs and on SQLite in memory."""

    SPOOL_DIR = Setting[Path | None](None, kinds.SPOOL_DIR)
    """The journal's directory, on a disk that outlives the process. None: one under the system's temporary directory, named after the
    project's database; a check warns of it in production."""

    SPOOL_MAX_BYTES = Setting(1024**3, kinds.WHOLE_NUMBER)
    """Bytes that the journals of all processes may take together; past it records wait in memory."""

    SPOOL_SYNC = Setting("interval", kinds.SPOOL_SYNC)
    """When records reach the platter: once a second (`interval`), before the call goes on (`always`), or when the system likes (`off`).
    Only a loss of power makes a difference."""

    COST_SPAN_CONVENTION = Setting("otel-draft", kinds.COST_CONVENTION)
    """The name of the cost on spans: `otel-draft` (amount, currency and source as proposed to the GenAI conventions), or for stores that
    read one of these two names and take dollars for granted `gen_ai.usage.cost` or `operation.cost`; `none`: our own names alone."""

    COST_METRIC_ALIAS = Setting(False, kinds.BOOLEAN)
    """Whether the histogram `gen_ai.usage.cost` is measured too, of calls that cost US dollars, for dashboards that chart it."""

    MAX_METRIC_MODELS = Setting(200, kinds.POSITIVE)
    """Distinct names of models on the metrics of one process; every further one is counted as `other`."""

    CAPTURE_CONTENT = Setting[str | None](None, kinds.CONTENT_MODE)
    """Where the contents of messages go: `NO_CONTENT`, `SPAN_ONLY`, `EVENT_ONLY` or `SPAN_AND_EVENT`. None: what the environment variable
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says, so nothing unless it is set."""

    CONTENT_REDACTOR = Setting[Callable[[str], str] | None](None, kinds.REDACTOR)
    """The host's redaction of captured texts: a function from text to text, or its dotted path. Secrets are masked after it, always."""

    TRACE_URL_TEMPLATE = Setting[str | None](None, kinds.TRACE_URL_TEMPLATE)
    """Address of a trace in the host's tracing tool, with `{trace_id}` and perhaps `{span_id}`; what the admin and the API link to.
    None: no links."""

    INSTRUMENT_LITELLM = Setting(False, kinds.BOOLEAN)
    """Whether calls of LiteLLM that do not go through `LLMTracker` are metered too: the host's own and those of frameworks."""

    PROMETHEUS_URL = Setting[str | None](None, kinds.ADDRESS)
    """Address of Prometheus, or of an engine with its query API, that `metering_reconcile` compares the rows with."""

    ROLLUP_INTERVAL_S = Setting(60.0, kinds.SECONDS)
    """Seconds between two refreshes of the rollups by a process that writes rows; 0: it leaves them to the task and the command."""

    INLINE_WAIT_S = Setting(1.0, kinds.SECONDS)
    """Seconds that a call waits for its own row where rows are written inline."""

    PRELOAD_LITELLM = Setting(False, kinds.BOOLEAN)
    """Whether a process that serves imports LiteLLM in the background as soon as it has started, rather than in its first call."""

    DISABLE_LITELLM_STREAM_LOGGING = Setting(False, kinds.BOOLEAN)
    """Whether LiteLLM's own work for each chunk of a stream, done for its callbacks and its cache, is off for the whole process."""


metering_settings = MeteringSettings()


def legacy_llm_settings() -> dict[str, Any] | None:
    """The older settings as `{"provider": ..., "config": {...}}`, or None where they name no configuration.

    `LLM_PROVIDER` (`openai` when absent) selects `<PROVIDER>_CONFIG`, for example `AZURE_OPENAI_CONFIG` for `azure_openai`.
    Raises ImproperlyConfigured where one of the two has the wrong type.
    """
    provider = (_read("LLM_PROVIDER", None, kinds.LEGACY_PROVIDER) or "openai").strip().lower()
    name = f"{provider.upper().replace('-', '_')}_CONFIG"
    config = _read(name, None, kinds.LEGACY_CONFIG)
    return {"provider": provider, "config": dict(config)} if config else None


def database_identity(alias: str) -> tuple[str, ...]:
    """What tells the database `alias` from others on this machine: engine, name, host and port. ImproperlyConfigured where there is none."""
    database = django_settings.DATABASES.get(alias)
    if database is None:
        raise ImproperlyConfigured(f"AGENTCORE_METERING_DATABASE_ALIAS is {alias!r}, which DATABASES does not have.")
    return tuple(str(database.get(key, "")) for key in ("ENGINE", "NAME", "HOST", "PORT"))


def deepseek_thinking_model_prefixes() -> tuple[str, ...]:
    """`AGENTCORE_DEEPSEEK_THINKING_MODEL_PREFIXES`, the reference's name: LiteLLM models whose thinking is turned off by name."""
    return _read("AGENTCORE_DEEPSEEK_THINKING_MODEL_PREFIXES", THINKING_OFF_PREFIXES, kinds.PREFIXES)


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
