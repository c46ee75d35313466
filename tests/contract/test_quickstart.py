"""The quickstart as written, in a project outside the repository: a row, and a span that is a child of the request's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from example.stub_provider import StubProvider

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "docs" / "quickstart.md"

CHECK = """
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([reader]))
DjangoInstrumentor().instrument()
import django
django.setup()
from django.conf import settings
settings.ALLOWED_HOSTS = ["testserver"]
from django.test import Client
answer = Client().get("/ask/", {"q": "hello [[stub: in=3 out=7]]"})
from agentcore_metering.adapters.django.models import LLMUsage
row = LLMUsage.objects.get()
spans = {span.name: span for span in exporter.get_finished_spans()}
llm, http = spans["chat gpt-4o-mini"], next(span for name, span in spans.items() if "ask" in name)
print(json.dumps({
    "status": answer.status_code,
    "usage_cost": answer.json()["usage"]["cost"],
    "row_cost": str(row.cost),
    "is_child": llm.parent.span_id == http.context.span_id,
    "same_trace": row.trace_id == format(http.context.trace_id, "032x"),
    "metrics": sorted(metric.name for resource in reader.get_metrics_data().resource_metrics for scope in resource.scope_metrics
                      for metric in scope.metrics if metric.name in ("agentcore_metering.attempts", "agentcore_metering.calls", "agentcore_metering.cost")),
}))
"""


def run(directory: Path, *command: str) -> str:
    # The stub provider is this repository's; everything else is as installed.
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def blocks_after(heading: str, text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text[text.index(heading) :], re.DOTALL)


@pytest.mark.smoke
@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_install_of_the_readme_works_in_a_new_project(tmp_path: Path, page: str) -> None:
    if not (ROOT / page).exists():
        pytest.skip("the documents are not beside the tests here")
    # Indented, because they stand in a list.
    blocks = [
        textwrap.dedent(block) for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    ]
    settings_block, urls_block = next(block for block in blocks if "# urls.py" in block).split("# urls.py")
    run(tmp_path, sys.executable, "-m", "django", "startproject", "mysite")
    project = tmp_path / "mysite"

    for name, block in (("settings.py", settings_block), ("urls.py", urls_block)):
        file = project / "mysite" / name
        file.write_text(file.read_text() + "\n" + block)

    run(project, sys.executable, "manage.py", "migrate", "--verbosity", "0")
    assert "no issues" in run(project, sys.executable, "manage.py", "check")


@pytest.mark.smoke
def test_quickstart_works_as_written(tmp_path: Path) -> None:
    if not QUICKSTART.exists():
        pytest.skip("the documents are not beside the tests here")
    settings_block, urls_block, *_ = blocks_after("## 1. A project", QUICKSTART.read_text())
    run(tmp_path, sys.executable, "-m", "django", "startproject", "mysite")
    project = tmp_path / "mysite"

    with StubProvider() as stub:
        settings_block = settings_block.replace("https://api.openai.com/v1", stub.api_base())
        for name, block in (("settings.py", settings_block), ("urls.py", urls_block)):
            file = project / "mysite" / name
            file.write_text(file.read_text() + "\n" + block)
        run(project, sys.executable, "manage.py", "migrate", "--verbosity", "0")
        run(project, sys.executable, "manage.py", "check")
        said = json.loads(run(project, sys.executable, "-c", CHECK).splitlines()[-1])

    assert said == {
        "status": 200,
        "usage_cost": 4.65e-06,
        "row_cost": "0.000004650000",
        "is_child": True,
        "same_trace": True,
        "metrics": ["agentcore_metering.attempts", "agentcore_metering.calls", "agentcore_metering.cost"],
    }
