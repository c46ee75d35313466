"""The caller's dict is read once; what is not metering's stays out."""

from __future__ import annotations

from typing import Any

import pytest

from agentcore_metering.adapters.django.trackers.state import append_llm_call, litellm_metadata, parse_state
from tests.django.persistence.test_rows import make_record

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.parametrize(
    ("state", "node_name", "expected"),
    [
        (None, "unknown", None),
        ({}, "writer", "writer"),
        ({"node_name": "reader"}, "writer", "reader"),
        ({"node_name": ""}, "writer", "writer"),
        ({"node_name": "unknown"}, "unknown", None),
    ],
)
def test_the_states_node_name_wins_and_unknown_is_none(state: Any, node_name: str, expected: str | None) -> None:
    assert parse_state(state, node_name).node_name == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"source_task_id": 1, "celery_task_id": 2, "task_id": 3}, "1"),
        ({"celery_task_id": 2, "task_id": 3}, "2"),
        ({"task_id": 3}, "3"),
        ({}, None),
    ],
)
def test_the_task_id_is_the_first_that_is_there(state: dict[str, Any], expected: str | None) -> None:
    assert parse_state(state, None).source_task_id == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TRACEPARENT, TRACEPARENT),
        (TRACEPARENT.upper(), None),
        (TRACEPARENT[:-2] + "03", None),
        (TRACEPARENT + "-x", None),
        (5, None),
    ],
)
def test_only_a_full_traceparent_is_taken(value: Any, expected: str | None) -> None:
    assert parse_state({"otel_traceparent": value}, None).traceparent == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"conversation_id": 7}, "7"),
        ({"conversation_id": "c-1", "metadata": {"conversation_id": "c-2"}}, "c-1"),
        ({"metadata": {"conversation_id": "c-2"}}, "c-2"),
        ({"metadata": ["conversation_id"]}, None),
        ({"session_id": "s-1"}, None),
    ],
)
def test_the_conversation_is_what_the_host_calls_so(state: dict[str, Any], expected: str | None) -> None:
    assert parse_state(state, None).conversation_id == expected


def test_metadata_is_copied_and_nothing_else() -> None:
    state = {"metadata": {"a": 1}, "lensnode_uuid": "x", "messages": ["secret"]}

    context = parse_state(state, None)
    state["metadata"]["a"] = 2  # type: ignore[index]

    assert context.metadata == {"a": 1}
    assert "secret" not in repr(context)


@pytest.mark.parametrize("value", [None, "text", 5, []])
def test_metadata_of_another_shape_is_none(value: Any) -> None:
    assert parse_state({"metadata": value}, None).metadata == {}
    assert litellm_metadata({"litellm_metadata": value}) == {}


def test_append_llm_call_keeps_the_callers_list() -> None:
    entries: list[Any] = ["mine"]
    state = {"llm_calls": entries}

    append_llm_call(state, make_record())

    assert state["llm_calls"] is entries
    assert entries[1]["node"] == "writer"
    assert entries[1]["cost"] == 0.5
    append_llm_call(None, make_record())
