"""The examples of "Calling models" are run as they stand, against the stub provider."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import litellm
import pytest
from django.test import RequestFactory

from agentcore_metering.adapters.django import LLMTracker, runtime
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.core.operations import OPERATIONS
from example.stub_provider import StubProvider
from tests.django.builders import make_stub_config
from tests.django.trackers.operation_cases import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "calling-models.md"
HAS_DECISIONS = hasattr(litellm, "decisions")
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class FakeConsumer:
    """Stands in for Channels, which the suite does not install."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, text_data: str) -> None:
        self.sent.append(text_data)


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    runtime.reset()
    with StubProvider() as running:
        yield running
    runtime.reset()


@pytest.fixture
def page(stub: StubProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The names that the blocks of the page leave behind, each `main` having been run."""
    make_stub_config(stub, is_default=True)
    make_stub_config(stub, "openai", "text-embedding-3-small", model_type="embedding")
    make_stub_config(stub, "openai", "gpt-image-1", model_type="image_generation")
    make_stub_config(stub, "cohere", "rerank-v3.5")
    make_stub_config(stub, "openai", "gpt-6-luna", model_type="decision")
    websocket = ModuleType("channels.generic.websocket")
    websocket.AsyncWebsocketConsumer = FakeConsumer  # type: ignore[attr-defined]
    for name in ("channels", "channels.generic"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, websocket.__name__, websocket)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello.wav").write_bytes(b"x" * 2000)
    # A name of its own each time: Celery keeps the tasks of the process by it.
    names: dict[str, Any] = {"__name__": f"calling_models_{tmp_path.name}"}
    for number, block in enumerate(_BLOCK.findall(PAGE.read_text(encoding="utf-8")), 1):
        if "DecisionTracker" in block and not HAS_DECISIONS:
            continue
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
        if inspect.iscoroutinefunction(main := names.pop("main", None)):
            run(main)
    return names


@pytest.mark.django_db
def test_the_page_runs_and_every_call_of_it_is_metered(page: dict[str, Any], stub: StubProvider) -> None:
    assert len(page["vectors"]) == 2
    assert page["best"] == 1
    assert page["sound"]
    assert len(page["state"]["llm_calls"]) == 1
    rows = LLMUsage.objects.all()
    assert len(rows) == len(stub.requests)
    assert {row.status for row in rows} == {"succeeded"}
    asked = {spec.operation.value for name, spec in OPERATIONS.items() if HAS_DECISIONS or name != "decisions"}
    assert {row.operation for row in rows} == asked


@pytest.mark.django_db
def test_the_pages_views_stream(page: dict[str, Any]) -> None:
    request = RequestFactory().get("/")
    request.user = SimpleNamespace(pk=None)

    async def async_body() -> bytes:
        response = await page["async_chat"](request)
        return b"".join([piece async for piece in response.streaming_content])

    assert b"".join(page["chat"](request).streaming_content) == b"You said: Say hello"
    assert run(async_body) == b"You said: Say hello"


@pytest.mark.django_db
def test_the_pages_consumer_and_task_answer(page: dict[str, Any]) -> None:
    consumer = page["ChatConsumer"]()

    run(lambda: consumer.receive(text_data="hello"))

    assert "".join(consumer.sent) == "You said: hello"
    assert page["summarise"]("hello") == "You said: hello"


def test_every_method_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    methods = {name for name in vars(LLMTracker) if not name.startswith("_")}

    assert {name for name in methods if f"`{name}`" not in text} == set()
