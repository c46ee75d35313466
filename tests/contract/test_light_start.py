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
