from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.stats import (
    FILTER_NAMES,
    UsageQuery,
    parse_usage_filter,
    parse_usage_query,
    select_usage,
)
from agentcore_metering.core.errors import InvalidField
from tests.django.factories import NOON, make_usage, make_user

CALL, CONFIG, TRACE = UUID(int=7), UUID(int=8), "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("text", "page"), [("3", 3), ("0", 1), ("-1", 1), ("x", 1), ("", 1), ("1.5", 1), ("9" * 30, int("9" * 30))]
)
def test_page_is_lenient(text: str, page: int) -> None:
    assert parse_usage_query({"page": text}).page == page


@pytest.mark.parametrize(("text", "size"), [("7", 7), ("0", 1), ("-5", 1), ("x", 20), ("", 20), ("101", 100)])
def test_page_size_is_lenient_and_bounded(text: str, size: int) -> None:
    assert parse_usage_query({"page_size": text}).page_size == size


def test_usage_query_without_parameters_asks_for_the_first_page() -> None:
    assert parse_usage_query({}) == UsageQuery()


def test_usage_query_with_empty_filters_asks_for_the_first_page() -> None:
    assert parse_usage_query(dict.fromkeys((*FILTER_NAMES, "metadata.job"), " ")) == UsageQuery()


def found(**params: str) -> set[str]:
    """The nodes of the rows that are found; a dot in a name is written as two underscores."""
    filters = parse_usage_filter({name.replace("__", "."): value for name, value in params.items()}, is_strict=True)
    return set(select_usage(filters).values_list("node_name", flat=True))


@pytest.fixture
def _rows(db: None) -> None:
    this = {
        "user": make_user(),
        "call_id": CALL,
        "config_uuid": CONFIG,
        "trace_id": TRACE,
        "provider": "azure_openai",
        "operation": "embedding",
        "response_model": "gpt-4o-mini-2024-07-18",
        "source_type": "task",
        "status": "cancelled",
        "success": False,
        "error_type": "RateLimitError",
        "cost": "0.000000000002",
        "cost_currency": "CNY",
        "metadata": {
            "job": 7,
            "name": "a'b",
            "7": "digits",
            "is_new": True,
            "nothing": None,
            "a.b": "dotted",
            "big": 2**70,
        },
    }
    make_usage(node_name="this", model="azure/gpt-4o-mini", **this)
    make_usage(
        node_name="other", model="claude", cost="0.000000000001", success=True, status=None, metadata={"job": "8"}
    )
    make_usage(node_name="older", model="claude", cost_currency="", success=False, created_at=NOON - timedelta(days=1))


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize(
    ("params", "nodes"),
    [
        ({}, {"this", "other", "older"}),
        ({"node": "this"}, {"this"}),
        ({"node": "THIS"}, set()),
        ({"node": "thi%"}, set()),
        ({"provider": "azure_openai"}, {"this"}),
        ({"operation": "embedding"}, {"this"}),
        ({"response_model": "gpt-4o-mini-2024-07-18"}, {"this"}),
        ({"source_type": "task"}, {"this"}),
        ({"error_type": "RateLimitError"}, {"this"}),
        ({"model": "GPT"}, {"this"}),
        ({"model": "%"}, set()),
        ({"call_id": str(CALL)}, {"this"}),
        ({"call_id": str(CONFIG)}, set()),
        ({"config": CONFIG.hex}, {"this"}),
        ({"trace_id": TRACE.upper()}, {"this"}),
        ({"status": "cancelled"}, {"this"}),
        ({"status": "succeeded"}, {"other"}),
        ({"status": "failed"}, {"older"}),
        ({"status": "interrupted"}, set()),
        ({"success": "true"}, {"other"}),
        ({"success": "false"}, {"this", "older"}),
        ({"success": "perhaps"}, {"this", "other", "older"}),
        ({"currency": "cny"}, {"this"}),
        ({"currency": "USD"}, {"other", "older"}),
        ({"priced": "true"}, {"this", "other"}),
        ({"priced": "false"}, {"older"}),
        ({"currency": "CNY", "cost_min": "0.000000000002"}, {"this"}),
        ({"currency": "CNY", "cost_min": "2.1e-12"}, {"this"}),  # to the even one of 12 places
        ({"currency": "CNY", "cost_min": "0.000000000003"}, set()),
        ({"currency": "USD", "cost_max": "0.000000000001"}, {"other"}),
        ({"currency": "USD", "cost_min": "0", "cost_max": "0"}, set()),
        ({"start_date": "2026-02-21"}, {"this", "other"}),
        ({"end_date": "2026-02-20"}, {"older"}),
        ({"metadata__job": "7"}, {"this"}),
        ({"metadata__job": "8"}, {"other"}),
        ({"metadata__job": "7", "metadata__name": "a'b"}, {"this"}),
        ({"metadata__job": "7", "metadata__name": "a"}, set()),
        ({"metadata__7": "digits"}, {"this"}),
        ({"metadata__is_new": "true"}, {"this"}),
        ({"metadata__is_new": "1"}, set()),
        ({"metadata__nothing": "null"}, set()),
        ({"metadata__a__b": "dotted"}, {"this"}),
        ({"metadata__none": "x"}, set()),
        ({"metadata__job": "' OR 1=1 --"}, set()),
        ({"node": "' OR 1=1 --"}, set()),
        ({"node": "this", "provider": "azure_openai", "metadata__job": "7", "currency": "CNY"}, {"this"}),
    ],
    ids=str,
)
def test_filter_selects_the_rows_that_it_says(params: dict[str, str], nodes: set[str]) -> None:
    assert found(**params) == nodes


@pytest.mark.usefixtures("_rows")
def test_filter_by_user_selects_the_user() -> None:
    assert found(user_id=str(LLMUsage.objects.get(node_name="this").user_id)) == {"this"}


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"status": "done"}, "status"),
        ({"call_id": "7"}, "call_id"),
        ({"config": "settings"}, "config"),
        ({"trace_id": "xyz"}, "trace_id"),
        ({"priced": "1"}, "priced"),
        ({"currency": "dollars of the US"}, "currency"),
        ({"cost_min": "1"}, "currency"),
        ({"currency": "USD", "cost_max": "cheap"}, "cost_max"),
        ({"currency": "USD", "cost_max": "nan"}, "cost_max"),
        ({"currency": "USD", "cost_max": "1e400"}, "cost_max"),
        ({"metadata.a'b": "x"}, "metadata"),
        ({"metadata.": "x"}, "metadata"),
        ({'metadata.a"b': "x"}, "metadata"),
        ({f"metadata.{number}": "x" for number in range(6)}, "metadata"),
        ({"metadata.job": "x" * 1001}, "metadata"),
        ({"node": "x" * 256}, "node"),
        ({"node": "a\x00b"}, "node"),
        ({"nod": "this"}, "parameters"),
    ],
    ids=str,
)
def test_filter_that_cannot_be_is_refused_and_named(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_usage_filter(params, is_strict=True)

    assert caught.value.field == field


def test_unknown_parameter_of_a_list_is_ignored() -> None:
    assert parse_usage_query({"nod": "this"}) == UsageQuery()


def test_model_with_a_null_character_is_refused() -> None:
    with pytest.raises(InvalidField, match="Null characters"):
        parse_usage_query({"model": "gpt\x00"})
