"""How the recording is switched on, each in a process of its own: by OpenTelemetry's launcher, by the setting, before and after LiteLLM."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from agentcore_metering import __version__
from tests.contract.test_light_start import SETTINGS

ROOT = Path(__file__).resolve().parents[3]
CALL = """
import os
import litellm
from example.stub_provider import StubProvider, directive

def call(stub):
    return litellm.completion(
        model="openai/gpt-4o-mini",
        messages=[{"role": "user", "content": directive(in_=3, out=7)}],
        api_base=stub.api_base(),
        api_key="k-123456",
        max_retries=0,
    )
"""
RECORD = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
"""


def python(code: str, *launcher: str, path: Path | None = None) -> str:
    """What the program prints last."""
    paths = [str(each) for each in (path, ROOT) if each is not None]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DJANGO_"))} | {
        "PYTHONPATH": os.pathsep.join(paths),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        # It would configure Django itself where no settings are named yet.
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "django",
    }
    command = [*launcher, sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture
def distribution(tmp_path: Path) -> Path:
    """A directory that says of this package what its wheel says of it: the entry points, whatever is installed here."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][
        "opentelemetry_instrumentor"
    ]
    info = tmp_path / f"agentcore_metering_otel-{__version__}.dist-info"
    info.mkdir()
    about = (
        "Metadata-Version: 2.1",
        "Name: agentcore-metering-otel",
        f"Version: {__version__}",
        "Requires-Dist: litellm",
    )
    (info / "METADATA").write_text("\n".join([*about, ""]))
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[opentelemetry_instrumentor]", *lines, ""]))
    return tmp_path


def test_opentelemetrys_launcher_switches_it_on_before_django_is_configured(distribution: Path) -> None:
    pytest.importorskip("opentelemetry.instrumentation", reason="opentelemetry-instrumentation is not installed")
    launcher = Path(sys.executable).with_name("opentelemetry-instrument")
    if not launcher.exists():
        pytest.skip("opentelemetry-instrument is not installed beside this Python")

    printed = python(
        f"""
        import sys
        assert "litellm" not in sys.modules
        {textwrap.indent(RECORD, " " * 8).strip()}
        trace.set_tracer_provider(provider)
        {textwrap.indent(CALL + SETTINGS, " " * 8).strip()}
        with StubProvider() as stub:
            call(stub)  # Django is not ready: a span and no row
            django.setup()
            from django.core.management import call_command
            call_command("migrate", verbosity=0)
            call(stub)
        from agentcore_metering.adapters.django.models import LLMUsage
        print(len(exporter.get_finished_spans()), [(row.prompt_tokens, row.completion_tokens) for row in LLMUsage.objects.all()])
        """,
        str(launcher),
        path=distribution,
    )

    assert printed == "2 [(3, 7)]"


@pytest.mark.parametrize("wanted", [True, False])
def test_the_setting_switches_it_on_and_start_stays_light(wanted: bool) -> None:
    settings = SETTINGS.replace("USE_TZ=True,", f"USE_TZ=True, AGENTCORE_METERING_INSTRUMENT_LITELLM={wanted},")
    printed = python(
        f"""
        {textwrap.indent(settings, " " * 8).strip()}
        import sys
        django.setup()
        assert not {{"litellm", "openai", "opentelemetry.sdk", "opentelemetry.instrumentation"}} & sys.modules.keys()
        from django.core.management import call_command
        call_command("migrate", verbosity=0)
        {textwrap.indent(CALL, " " * 8).strip()}
        with StubProvider() as stub:
            call(stub)
        from agentcore_metering.adapters.django.models import LLMUsage
        print(LLMUsage.objects.count())
        """
    )

    assert printed == str(int(wanted))


def test_without_django_there_are_spans_by_the_providers_that_were_named() -> None:
    pytest.importorskip("opentelemetry.instrumentation", reason="opentelemetry-instrumentation is not installed")
    printed = python(
        f"""
        {textwrap.indent(RECORD + CALL, " " * 8).strip()}
        from agentcore_metering.adapters.django.instrumentation import LiteLLMMeteringInstrumentor
        bare = litellm.completion
        instrumentor = LiteLLMMeteringInstrumentor()
        instrumentor.instrument(tracer_provider=provider)
        instrumentor.instrument(tracer_provider=provider)
        with StubProvider() as stub:
            call(stub)
            instrumentor.uninstrument()
            instrumentor.uninstrument()
            assert litellm.completion is bare
            call(stub)
            instrumentor.instrument(tracer_provider=provider)
            call(stub)
        print([span.attributes["gen_ai.usage.output_tokens"] for span in exporter.get_finished_spans()])
        """
    )

    assert printed == "[7, 7]"


def test_it_waits_for_litellm_and_leaves_its_loader_as_it_was() -> None:
    printed = python(
        """
        import sys
        from agentcore_metering.adapters.django.instrumentation import patching
        patching.install()
        finders = len(sys.meta_path)
        patching.install()
        assert len(sys.meta_path) == finders
        assert "litellm" not in sys.modules
        import litellm
        assert litellm.completion.__wrapped__ is not None
        assert "exec_module" not in vars(litellm.__spec__.loader)
        ours = litellm.completion
        patching.uninstall()
        print(litellm.completion is ours, patching.is_installed())
        """
    )

    assert printed == "False False"
