"""Django starts without LiteLLM, and the app works without an OpenTelemetry SDK. Each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

SETTINGS = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "agentcore_metering.adapters.django"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    SECRET_KEY="x" * 50,
    USE_TZ=True,
    AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS=["127.0.0.1"],
)
"""


def run(code: str, *, before: str = "") -> str:
    """What the program prints."""
    program = before + SETTINGS + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.smoke
def test_importing_before_setup_loads_no_models_and_setup_loads_no_litellm() -> None:
    printed = run(
        """
        import sys
        import agentcore_metering.adapters.django
        assert "agentcore_metering.adapters.django.models" not in sys.modules
        django.setup()
        from agentcore_metering.adapters.django import LLMTracker
        import agentcore_metering.adapters.django.urls
        print(sorted(name for name in ("litellm", "openai", "opentelemetry.sdk", "celery", "json_repair") if name in sys.modules))
        """
    )

    assert printed == "[]"


HEAVY = (
    "agentcore_metering.adapters.django.runtime",
    "agentcore_metering.adapters.django.stats",
    "agentcore_metering.adapters.django.trackers",
    "agentcore_metering.core.gateway",
    "agentcore_metering.core.types",
    "celery",
    "cryptography",
    "django_filters",
    "drf_spectacular",
    "json_repair",
    "litellm",
    "openai",
    "opentelemetry",
    "rest_framework",
)
"""What a project that has not called a model yet starts without; `benchmarks/startup.py` says what the rest takes."""


@pytest.mark.smoke
@pytest.mark.parametrize("with_admin", [False, True], ids=["plain", "admin"])
def test_a_project_starts_without_what_only_calls_and_pages_need(with_admin: bool) -> None:
    admin = ["django.contrib.admin", "django.contrib.sessions", "django.contrib.messages"] if with_admin else []

    printed = run(
        f"""
        import sys
        settings.INSTALLED_APPS[:0] = {admin}
        import agentcore_metering.adapters.django
        django.setup()
        print([name for name in {HEAVY} if name in sys.modules])
        """
    )

    assert printed == "[]"


@pytest.mark.smoke
def test_system_checks_are_registered_before_their_modules_are_imported() -> None:
    printed = run(
        """
        import sys
        settings.AGENTCORE_METERING_WRITE_MODE = "sometimes"
        django.setup()
        assert "agentcore_metering.adapters.django.checks.settings" not in sys.modules
        from django.core.checks import run_checks
        print([message.id for message in run_checks() if message.id.endswith("E002")])
        """
    )

    assert printed == "['agentcore_metering.E002']"


@pytest.mark.smoke
def test_without_an_sdk_a_call_is_metered_in_the_database() -> None:
    printed = run(
        """
        django.setup()
        from django.core.management import call_command
        call_command("migrate", verbosity=0)
        from agentcore_metering.adapters.django import LLMTracker
        from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
        from example.stub_provider import StubProvider, directive
        with StubProvider() as stub:
            config = {"model": "gpt-4o-mini", "api_key": "k-123456", "api_base": stub.api_base()}
            LLMConfig.objects.create(scope="global", provider="openai", config=config)
            LLMTracker.call_and_track([{"role": "user", "content": directive(in_=3, out=7)}])
        row = LLMUsage.objects.get()
        print(row.cost, row.trace_id)
        """,
        before="import sys; sys.modules['opentelemetry.sdk'] = None\n",
    )

    assert printed == "0.000004650000 None"
