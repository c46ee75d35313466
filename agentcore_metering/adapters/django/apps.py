"""The app's registration. It stays light: no LiteLLM and no REST framework is loaded by `django.setup()`."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AgentcoreMeteringConfig(AppConfig):
    """The app `agentcore_metering.adapters.django`, whose label existing databases and foreign keys know."""

    name = "agentcore_metering.adapters.django"
    label = "agentcore_metering"
    verbose_name = _("LLM metering")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks; instrument LiteLLM, and begin to import it in the background, where the settings ask for either."""
        # The import is the registration, and checks may import models, which only now are loaded.
        from agentcore_metering.adapters.django import (  # noqa: F401
            checks,
            deployment_checks,
            secret_checks,
            telemetry_checks,
        )
        from agentcore_metering.adapters.django.conf import metering_settings
        from agentcore_metering.adapters.django.preload import preload_if_wanted

        if metering_settings.INSTRUMENT_LITELLM:
            from agentcore_metering.adapters.django.instrumentation import patching

            patching.install()
        preload_if_wanted()
