"""LiteLLM's own OpenTelemetry callbacks are found without LiteLLM being imported, and are told their parent."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from agentcore_metering.core.completion import complete
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.otel_callbacks import registered_otel_callbacks, with_parent
from agentcore_metering.core.types import CallContext, TraceLink
from tests.fakes import RecordingObserver, ScriptedBackend, World, make_request, make_response

SPAN = TraceLink("a" * 32, "b" * 16, is_sampled=True)
PARENT = {"headers": {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}}


class OpenTelemetry:
    """Bears the name of LiteLLM's class."""

    callback_name = "arize_phoenix"


class OwnLogger(OpenTelemetry):
    """A host's own, derived from it."""

    callback_name = ""


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("litellm")
    monkeypatch.setitem(sys.modules, "litellm", module)
    return module


def test_nothing_is_registered_where_litellm_was_never_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "litellm", raising=False)

    assert registered_otel_callbacks() == ()
    assert "litellm" not in sys.modules


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({}, ()),
        ({"callbacks": ["langfuse", print, object()]}, ()),
        ({"callbacks": ["otel"]}, ("otel",)),
        ({"callbacks": ["otel"], "success_callback": ["otel", "logfire"]}, ("otel", "logfire")),
        ({"failure_callback": ["traceloop"]}, ("traceloop",)),
        ({"_async_success_callback": [OpenTelemetry()]}, ("arize_phoenix",)),
        ({"success_callback": [OwnLogger()]}, ("OwnLogger",)),
        ({"callbacks": None}, ()),
    ],
    ids=["none", "others", "name", "several_lists", "failures", "instance", "derived", "no_list"],
)
def test_registered_callbacks_are_named_once(
    litellm: ModuleType, lists: dict[str, Any], expected: tuple[str, ...]
) -> None:
    litellm.__dict__.update(lists)

    assert registered_otel_callbacks() == expected


def test_parent_is_named_where_a_callback_is_registered(litellm: ModuleType) -> None:
    arguments = {"model": "m", "proxy_server_request": {"body": {}, "headers": {"user-agent": "u"}}}
    litellm.__dict__["callbacks"] = ["otel"]

    given = with_parent(arguments, SPAN)

    assert given["proxy_server_request"] == {"body": {}, "headers": {"user-agent": "u", **PARENT["headers"]}}
    assert arguments["proxy_server_request"] == {"body": {}, "headers": {"user-agent": "u"}}


@pytest.mark.parametrize(
    ("callbacks", "arguments", "span"),
    [
        ([], {}, SPAN),
        (["otel"], {}, None),
        (["otel"], {"proxy_server_request": {"headers": {"traceparent": "the caller's"}}}, SPAN),
    ],
    ids=["no_callback", "no_span", "callers_own_parent"],
)
def test_arguments_stay_as_they_are_otherwise(
    litellm: ModuleType, callbacks: list[str], arguments: dict[str, Any], span: TraceLink | None
) -> None:
    litellm.__dict__["callbacks"] = callbacks

    assert with_parent(arguments, span) is arguments


def test_traceparent_says_whether_the_span_is_sampled() -> None:
    assert TraceLink("a" * 32, "b" * 16, is_sampled=False).traceparent == f"00-{'a' * 32}-{'b' * 16}-00"


def test_every_attempt_of_a_call_names_the_calls_span(litellm: ModuleType) -> None:
    litellm.__dict__["callbacks"] = ["otel"]
    world = World(ScriptedBackend(make_response()), observer=RecordingObserver(trace=SPAN))
    request = make_request()

    complete(Call(world.services, request, CallContext()))

    assert world.backend.arguments[0]["proxy_server_request"] == PARENT
    assert "proxy_server_request" not in request.arguments
