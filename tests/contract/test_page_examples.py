"""The Python of every page is run as it stands, where no test of its own does: settings read, URLs resolved, files loaded, calls made."""

from __future__ import annotations

import inspect
import itertools
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import override_settings
from django.urls import URLResolver, include, path

from agentcore_metering.adapters.django import runtime
from agentcore_metering.adapters.django.conf import PREFIX, metering_settings
from agentcore_metering.adapters.django.instrumentation import LiteLLMMeteringInstrumentor
from agentcore_metering.adapters.django.models import LLMConfig, LLMPrice, LLMUsage
from example.stub_provider import StubProvider
from tests.django.builders import KEY, make_stub_config, make_user
from tests.django.trackers.operation_cases import run

ROOT = Path(__file__).resolve().parents[2]
RUN_ELSEWHERE = {"calling-models", "cost", "quickstart", "testing"}
"""Pages that a test of their own runs."""
PAGES = [page for page in sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))) if page.stem not in RUN_ELSEWHERE]
FILES_OF_A_PROCESS = ("wsgi.py", "asgi.py", "celery.py", "gunicorn.conf.py")
_runs = itertools.count()
_BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(not PAGES, reason="the documents are not beside the tests here")


class Block(NamedTuple):
    """One Python block of a page."""

    page: Path
    number: int
    text: str

    @property
    def file(self) -> str:
        """The file that it says it is of; empty for a piece of the reader's own code."""
        found = re.match(r"# ([\w.]+\.py)\b", self.text)
        return found[1] if found else "settings.py" if self.text.startswith(PREFIX) else ""


BLOCKS = [
    Block(page, number, textwrap.dedent(text))
    for page in PAGES
    for number, (_, text) in enumerate(_BLOCK.findall(page.read_text(encoding="utf-8")), 1)
]


def blocks_of(*files: str) -> Any:
    chosen = [
        pytest.param(block, id=f"{block.page.stem}-{block.number}-{block.file}")
        for block in BLOCKS
        if block.file in files
    ]
    return pytest.mark.parametrize("block", chosen)


def executed(block: Block, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(block.text, f"{block.page.name}, block {block.number}", "exec"), names)
    return names


def of_a_project() -> dict[str, Any]:
    """What stands in the files of a project before the reader adds to them."""
    return {"INSTALLED_APPS": [], "urlpatterns": [], "path": path, "include": include, "os": os}


@blocks_of("settings.py")
def test_settings_of_a_page_are_taken(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERING_KEYS", Fernet.generate_key().decode())
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.privacy", SimpleNamespace(without_names=str))  # the reader's redactor
    names = executed(block, of_a_project())
    ours = {name: value for name, value in names.items() if name.startswith(PREFIX)}

    assert ours or "CELERY_IMPORTS" in names or names["INSTALLED_APPS"]
    with override_settings(**ours):
        for name in ours:
            getattr(metering_settings, name.removeprefix(PREFIX))


@blocks_of("urls.py")
def test_urls_of_a_page_lead_to_views(block: Block) -> None:
    patterns = executed(block, of_a_project())["urlpatterns"]

    assert patterns
    assert all(pattern.url_patterns for pattern in patterns if isinstance(pattern, URLResolver))


@blocks_of(*FILES_OF_A_PROCESS)
def test_file_of_a_page_loads_in_a_process_of_its_own(block: Block) -> None:
    pytest.importorskip("celery" if block.file == "celery.py" else "opentelemetry.sdk", reason="it is not installed")
    # The hooks are called as the server would call them.
    code = f"{block.text}\nif 'post_fork' in globals():\n    post_fork(None, None)\n"
    environment = {**os.environ, "OTEL_SDK_DISABLED": "true", "DJANGO_SETTINGS_MODULE": "tests.settings"}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    runtime.reset()
    with StubProvider() as running:
        yield running
    runtime.reset()


@pytest.fixture
def names_of(stub: StubProvider) -> Iterator[Any]:
    """Runs a page's own code, top to bottom, and gives the names that it leaves behind, its `main` awaited."""
    make_stub_config(stub, is_default=True)

    def names(page: str) -> dict[str, Any]:
        # A name of its own each time: Celery keeps the tasks of the process by it.
        found: dict[str, Any] = {"__name__": f"page_{next(_runs)}", "chain": SimpleNamespace(invoke=str)}
        for block in BLOCKS:
            if block.page.stem == page and not block.file:
                executed(block, found)
                if inspect.iscoroutinefunction(main := found.pop("main", None)):
                    found["result"] = run(main)
        return found

    yield names
    LiteLLMMeteringInstrumentor().uninstrument()


@pytest.mark.django_db
@pytest.mark.parametrize("page", sorted({block.page.stem for block in BLOCKS if not block.file}))
def test_code_of_a_page_runs(page: str, names_of: Any) -> None:
    if page == "celery":
        pytest.importorskip("celery", reason="it is not installed")

    names_of(page)


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["README", "README.zh-CN"])
def test_the_first_lines_of_the_readme_answer(page: str, names_of: Any) -> None:
    assert "text" in names_of(page)["summarise"]("text", None)

    assert LLMUsage.objects.get().node_name == "summary"


@pytest.mark.django_db
def test_existing_tracing_leaves_a_row(names_of: Any) -> None:
    assert names_of("existing-tracing")["text"]

    assert LLMUsage.objects.get().node_name == "mail"


@pytest.mark.django_db
def test_celery_task_says_whose_it_is(names_of: Any) -> None:
    pytest.importorskip("celery", reason="it is not installed")
    names = names_of("celery")

    answer = names["summarise"].apply(args=["Say hello"], kwargs={"traceparent": names["traceparent"]()}, task_id="t-1")

    assert answer.get() == "You said: Say hello"
    assert LLMUsage.objects.get().metadata["source_task_id"] == "t-1"


@pytest.mark.django_db
def test_asgi_view_streams_and_the_row_is_found(names_of: Any, rf: Any) -> None:
    names = names_of("asgi")

    async def body() -> bytes:
        response = await names["chat"](rf.get("/"))
        return b"".join([piece async for piece in response.streaming_content])

    assert run(body) == b"You said: Say hello"
    assert names["result"].total_tokens > 0


@pytest.mark.django_db(transaction=True)
def test_asgi_row_is_found_though_the_journal_is_on_its_way(names_of: Any, settings: Any, tmp_path: Path) -> None:
    settings.AGENTCORE_METERING_WRITE_MODE = "journal"
    settings.AGENTCORE_METERING_SPOOL_DIR = tmp_path / "spool"

    assert names_of("asgi")["result"].total_tokens > 0


@pytest.mark.django_db
def test_a_users_own_configuration_is_used(names_of: Any, stub: StubProvider) -> None:
    names = names_of("multi-tenant")
    user = make_user()
    config = names["give_model"](user, KEY, stub.api_base())

    names["answer"]("Say hello", user.pk, "acme")

    row = LLMUsage.objects.get()
    assert (row.user_id, row.metadata["tenant"], row.config_scope) == (user.pk, "acme", "user")
    assert LLMConfig.objects.get(pk=config.pk).config["api_key"] == KEY


@pytest.mark.django_db
def test_one_reporting_currency_is_the_sum_of_each(names_of: Any, stub: StubProvider) -> None:
    names = names_of("currencies")
    LLMUsage.objects.create(model="a", cost="1.5", cost_currency="CNY", success=True)
    LLMUsage.objects.create(model="a", cost="2", cost_currency="USD", success=True)

    # 1.5 + 2 * 7.1 = 15.7
    assert str(names["total_in_cny"]()).rstrip("0") == "15.7"


@pytest.mark.django_db
def test_air_gapped_model_needs_its_host_listed(names_of: Any) -> None:
    (block,) = (block for block in BLOCKS if (block.page.stem, block.file) == ("air-gapped", "settings.py"))
    hosts = executed(block, {})["AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS"]
    names_of("air-gapped")
    config = LLMConfig.objects.get(provider="hosted_vllm")

    with override_settings(AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS=hosts):
        config.full_clean()
    with pytest.raises(ValidationError, match="AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS"):
        LLMConfig(scope="global", provider=config.provider, config=dict(config.config)).full_clean()
    LLMPrice.objects.get(provider="hosted_vllm").full_clean()


@pytest.mark.django_db
def test_prices_of_the_currency_guide_are_whole(names_of: Any) -> None:
    names_of("currencies")

    LLMPrice.objects.get(currency="CNY").full_clean()


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="the statement is PostgreSQL's")
def test_totals_by_tenant_are_right() -> None:
    (statement,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/guides/multi-tenant.md").read_text(), re.DOTALL)
    for tenant, cost in (("acme", "1.5"), ("acme", "2"), ("zoo", "4")):
        LLMUsage.objects.create(model="a", cost=cost, cost_currency="USD", success=True, metadata={"tenant": tenant})

    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = {row[0]: (row[1], str(row[2].normalize()), row[3]) for row in cursor.fetchall()}

    assert rows == {"acme": ("USD", "3.5", 2), "zoo": ("USD", "4", 1)}


@pytest.mark.django_db(transaction=True)
def test_a_framework_says_who_calls(names_of: Any, stub: StubProvider) -> None:
    from agentcore_metering.adapters.django.instrumentation import patching

    patching.install()
    try:
        names = names_of("langchain")
        names["research"]("Say hello", None, api_key=KEY, api_base=stub.api_base())
    finally:
        patching.uninstall()

    row = LLMUsage.objects.get()
    assert (row.node_name, row.metadata["run"], row.total_tokens > 0) == ("research", "r-1", True)
