"""The app's registration. It stays light: `django.setup()` loads models and admin, and what they do is imported when they do it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import pre_migrate
from django.utils.translation import gettext_lazy as _

_CHECKS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("history", "check_migration_history", (Tags.database,)),
    ("distributions", "check_distributions", ()),
    ("settings", "check_settings", ()),
    ("settings", "check_telemetry_settings", ()),
    ("settings", "check_policy_settings", ()),
    ("spool", "check_spool", ()),
    ("process", "check_server", ()),
    ("process", "check_environment", ()),
    ("secrets", "check_encryption_keys", ()),
    ("secrets", "check_stored_configurations", (Tags.database,)),
    ("neighbours", "check_neighbours", ()),
)
"""Module of `checks`, function and tags of each system check. Servers run none, so their modules are imported when one is run."""


class AgentcoreMeteringConfig(AppConfig):
    """The app `agentcore_metering.adapters.django`, whose label existing databases and foreign keys know."""

    name = "agentcore_metering.adapters.django"
    label = "agentcore_metering"
    verbose_name = _("LLM metering")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks and the refusal to migrate what is half migrated; instrument LiteLLM, and begin to import it in the background, where the settings ask for either."""
        for module, name, tags in _CHECKS:
            register(_later(module, name), *tags)
        pre_migrate.connect(
            _later("history", "refuse_partial_history"), weak=False, dispatch_uid=f"{self.name}.history"
        )

        from agentcore_metering.adapters.django.conf import metering_settings
        from agentcore_metering.adapters.django.preload import preload_if_wanted

        if metering_settings.INSTRUMENT_LITELLM:
            from agentcore_metering.adapters.django.instrumentation import patching

            patching.install()
        preload_if_wanted()


@cache
def _later(module: str, name: str) -> Callable[..., Any]:
    """The function of one of the modules of `checks`, imported when it is called; the same one each time, so it is registered once."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(f"agentcore_metering.adapters.django.checks.{module}"), name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return call
