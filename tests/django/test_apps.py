from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest
from django.apps import apps
from django.core.checks.registry import registry

from agentcore_metering.adapters.django import checks

BEFORE_SETUP = """
import sys
import agentcore_metering.adapters.django as front_door
assert "LLMTracker" in dir(front_door)
"""

AFTER_SETUP = """
import sys
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="k", INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "agentcore_metering.adapters.django"]
)
django.setup()
"""


@pytest.mark.parametrize(
    ("script", "absent"),
    [
        (BEFORE_SETUP, ("litellm", "django.db.models", "agentcore_metering.adapters.django.models")),
        (AFTER_SETUP, ("litellm", "rest_framework", "opentelemetry.sdk", "celery")),
    ],
    ids=["import_before_setup", "setup"],
)
def test_start_loads_nothing_heavy(script: str, absent: tuple[str, ...]) -> None:
    loaded = "print(*[name for name in {names!r} if name in sys.modules])".format(names=absent)  # noqa: UP032
    finished = subprocess.run([sys.executable, "-c", script + loaded], capture_output=True, text=True, check=True)

    assert finished.stdout.split() == []


def test_app_has_the_name_and_label_that_existing_projects_know() -> None:
    config = apps.get_app_config("agentcore_metering")

    assert (config.name, config.label) == ("agentcore_metering.adapters.django", "agentcore_metering")


def test_unknown_name_of_the_front_door_is_an_attribute_error() -> None:
    import agentcore_metering.adapters.django as front_door

    with pytest.raises(AttributeError, match="no attribute 'LLMTrucker'"):
        front_door.LLMTrucker  # noqa: B018


def test_every_system_check_is_registered_once() -> None:
    names = [module.name for module in pkgutil.iter_modules(checks.__path__)]
    modules = [import_module(f"{checks.__name__}.{name}") for name in names]
    written = sorted(name for module in modules for name in module.__all__ if name.startswith("check_"))

    found = [getattr(check, "__name__", "") for check in registry.get_checks(include_deployment_checks=True)]

    assert [sum(name == each for each in found) for name in written] == [1] * len(written)
