"""Every part of a record finds its column, and odd values do not cost the row."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.rows import usage_row, write_rows
from agentcore_metering.core.types import (
    AttemptRecord,
    CallContext,
    ConfigScope,
    Cost,
    CostSource,
    CostStatus,
    Failure,
    FailureKind,
    Price,
    ResponseFacts,
    Status,
    TokenClass,
    TraceLink,
    Usage,
    UsageSource,
)
from tests.django.builders import make_user
from tests.fakes import NOON, make_target

pytestmark = pytest.mark.django_db

ID = UUID("01900000-0000-7000-8000-000000000001")
PRICE = Price("CNY", {TokenClass.INPUT: Decimal("0.0000000000001")}, CostSource.OPERATOR, "llm_price 7")


def make_record(**changes: Any) -> AttemptRecord:
    values: dict[str, Any] = {
        "id": ID,
        "call_id": ID,
        "attempt": 1,
        "target": make_target(is_streaming=True, config_uuid=ID, config_scope=ConfigScope.USER),
        "context": CallContext(node_name="writer", source_type="mail", metadata={"run": 1}),
        "status": Status.SUCCEEDED,
        "started_at": NOON,
        "duration_s": 2.5,
        "time_to_first_chunk_s": 0.5,
        "facts": ResponseFacts(
            usage=Usage(10, 5, 4, 3, 2, UsageSource.PROVIDER, ("x",), {"prompt_tokens": 10}),
            response_id="chatcmpl-1",
            response_model="gpt-4o-mini-2024-07-18",
            finish_reason="stop",
            service_tier="default",
        ),
        "cost": Cost(Decimal("0.5"), "CNY", CostSource.PROVIDER, PRICE, Decimal("0.25")),
        "cost_status": CostStatus.PRICED,
        "trace": TraceLink("a" * 32, "b" * 16, True),
        **changes,
    }
    return AttemptRecord(**values)


def stored(record: AttemptRecord) -> LLMUsage:
    write_rows([record], "default")
    return LLMUsage.objects.get()


def test_every_part_of_a_record_finds_its_column() -> None:
    user = make_user()

    row = stored(make_record(context=replace(make_record().context, user_id=user.pk)))

    expected = {
        "id": ID,
        "call_id": ID,
        "attempt": 1,
        "user_id": user.pk,
        "operation": "chat",
        "provider": "openai",
        "model": "openai/gpt-4o-mini",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "config_uuid": ID,
        "config_scope": "user",
        "node_name": "writer",
        "source_type": "mail",
        "status": "succeeded",
        "success": True,
        "error": None,
        "error_type": None,
        "finish_reason": "stop",
        "service_tier": "default",
        "response_id": "chatcmpl-1",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "cached_tokens": 4,
        "cache_write_tokens": 3,
        "reasoning_tokens": 2,
        "usage_source": "provider",
        "usage_raw": {"prompt_tokens": 10},
        "cost": Decimal("0.5"),
        "cost_currency": "CNY",
        "cost_source": "provider",
        "cost_status": "priced",
        "computed_cost": Decimal("0.25"),
        "is_streaming": True,
        "started_at": NOON,
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "trace_sampled": True,
    }
    assert {name: getattr(row, name) for name in expected} == expected
    assert (row.first_chunk_at - NOON).total_seconds() == 0.5  # type: ignore[operator]
    assert row.ended_at == row.created_at
    assert (row.ended_at - NOON).total_seconds() == 2.5  # type: ignore[operator]
    assert row.recorded_at is not None
    assert row.price_snapshot == {
        "currency": "CNY",
        "version": "llm_price 7",
        "source": "operator",
        "per_token": {"input": "0.0000000000001"},
    }


def test_a_failure_without_cost_keeps_cost_unknown() -> None:
    failure = Failure(FailureKind.RATE_LIMIT, "RateLimitError", "slow down")

    row = stored(
        make_record(
            status=Status.FAILED, failure=failure, cost=None, facts=ResponseFacts(), cost_status=CostStatus.NO_USAGE
        )
    )

    assert (row.success, row.error, row.error_type, row.cost, row.cost_status) == (
        False,
        "slow down",
        "RateLimitError",
        None,
        "no_usage",
    )
    assert (row.usage_source, row.usage_raw) == ("none", None)


def test_writing_twice_leaves_one_row() -> None:
    write_rows([make_record()], "default")
    write_rows([make_record(status=Status.FAILED), make_record(id=UUID(int=5))], "default")

    assert LLMUsage.objects.count() == 2
    assert LLMUsage.objects.get(id=ID).status == "succeeded"


def test_the_hosts_metadata_comes_last_and_is_made_json() -> None:
    context = CallContext(node_name="writer", metadata={"node_name": "mine", "when": NOON, "nul": "a\x00b"})

    row = stored(make_record(context=context))

    assert row.metadata["node_name"] == "mine"
    assert row.metadata["when"] == str(NOON)
    assert row.metadata["nul"] == "ab"
    assert row.node_name == "writer"


def test_texts_are_cut_to_their_columns_and_freed_of_nul() -> None:
    target = make_target(litellm_model="m" * 500, request_model="a\x00b")
    failure = Failure(FailureKind.UNKNOWN, "E" * 500, "x\x00y")

    row = stored(make_record(target=target, failure=failure, context=CallContext(node_name="n" * 5000)))

    assert len(row.model) == 200
    assert row.request_model == "ab"
    assert row.error == "xy"


def test_a_user_who_does_not_exist_keeps_the_row() -> None:
    row = stored(make_record(context=CallContext(user_id=424242)))

    assert row.user_id == 424242


def test_a_key_that_is_no_users_is_kept_beside_the_row() -> None:
    row = stored(make_record(context=CallContext(user_id="robot")))

    assert row.user_id is None
    assert row.metadata["unresolved_user_id"] == "robot"


def test_usage_row_is_not_saved() -> None:
    usage_row(make_record())

    assert LLMUsage.objects.count() == 0
