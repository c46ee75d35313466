"""`metering_reconcile`: agreement, difference, the likely cause, and the status that a script can act on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.models.rollup import Grain, UsageRollup
from agentcore_metering.adapters.django.reconcile import Hours, MetricsEngine, MetricsUnavailable, reconcile
from agentcore_metering.adapters.django.rollups.refresh import refresh
from tests.django.management.test_operators import Ended, run
from tests.django.persistence.spools import Spool
from tests.django.reconcile.engine import FakeEngine, serving_engine

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ATTEMPTS, COST = "agentcore_metering_attempts_total", "agentcore_metering_cost_total"
INPUT, OUTPUT = "gen_ai_client_inference_usage_input_tokens_total", "gen_ai_client_inference_usage_output_tokens_total"
PROCESSES = {"count (count by (service_instance_id) (last_over_time(agentcore_metering_attempts": "2"}


@pytest.fixture
def engine(settings: Settings) -> Iterator[FakeEngine]:
    with serving_engine() as engine:
        settings.AGENTCORE_METERING_PROMETHEUS_URL = engine.url
        yield engine


def make_row(**fields: Any) -> LLMUsage:
    ordinary = {
        "model": "openai/m",
        "request_model": "m",
        "operation": "chat",
        "status": "succeeded",
        "created_at": NOON + timedelta(minutes=5),
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "cost": Decimal("0.5"),
        "cost_currency": "USD",
    }
    return LLMUsage.objects.create(**ordinary | fields)


def count(engine: FakeEngine, attempts: int, cost: str, currency: str = "USD", end: datetime = NOON + HOUR) -> None:
    engine.count(ATTEMPTS, end, str(attempts), gen_ai_request_model="m")
    engine.count(INPUT, end, str(10 * attempts), gen_ai_request_model="m")
    engine.count(OUTPUT, end, str(4 * attempts), gen_ai_request_model="m")
    engine.count(COST, end, cost, gen_ai_request_model="m", gen_ai_usage_cost_currency=currency)


def compare(*arguments: str) -> Ended:
    return run("metering_reconcile", "--from", "2026-11-24T10:00", "--to", "2026-11-24T15:00", "--json", *arguments)


def causes(ended: Ended) -> set[str]:
    return {cause["code"] for cause in ended.json["causes"]}


def test_equal_figures_are_0(engine: FakeEngine) -> None:
    make_row()
    make_row()
    count(engine, 2, "1.0")

    ended = compare()

    assert (ended.status, ended.json["agree"], ended.json["differing_hours"], ended.json["causes"]) == (0, True, [], [])
    assert {total["figure"] for total in ended.json["totals"]} == {"attempts", "input_tokens", "output_tokens", "cost"}


def test_missing_counts_are_1_with_model_and_amount(engine: FakeEngine) -> None:
    make_row()
    make_row()
    count(engine, 1, "0.5")

    ended = compare()

    assert ended.status == 1
    assert {
        "figure": "cost",
        "model": "m",
        "currency": "USD",
        "rows": "1.000000000000",
        "counters": "0.500000000",
        "difference": "0.500000000000",
    } in ended.json["totals"]


def test_a_difference_within_the_tolerance_is_0(engine: FakeEngine) -> None:
    for _ in range(100):
        make_row()
    count(engine, 99, "49.5")

    assert compare().status == 0
    assert compare("--tolerance", "0.009").status == 1


def test_sums_of_floats_are_no_difference(engine: FakeEngine) -> None:
    make_row(cost=Decimal("0.300000000000"))
    count(engine, 1, "0.30000000000000004")

    assert compare("--tolerance", "0").status == 0


def test_currencies_are_never_added(engine: FakeEngine) -> None:
    make_row(cost_currency="CNY")
    count(engine, 1, "0.5", "USD")

    differing = [
        (each["currency"], each["difference"]) for each in compare().json["totals"] if each["figure"] == "cost"
    ]

    assert differing == [("CNY", "0.500000000000"), ("USD", "-0.500000000")]


def test_a_call_at_the_edge_of_an_hour_shows_and_does_not_fail(engine: FakeEngine) -> None:
    make_row()
    count(engine, 1, "0.5", end=NOON + 2 * HOUR)

    ended = compare()

    assert ended.status == 0
    assert {each["hour"] for each in ended.json["differing_hours"]} == {
        "2026-11-24T12:00:00+00:00",
        "2026-11-24T13:00:00+00:00",
    }


def test_hours_are_those_of_utc_whatever_the_projects_time_zone(engine: FakeEngine, settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Kolkata"
    make_row()
    make_row(created_at=NOON + timedelta(minutes=55))
    count(engine, 2, "1.0")

    ended = compare()

    assert (ended.status, ended.json["differing_hours"]) == (0, [])


def test_rows_outside_the_hours_are_not_looked_at(engine: FakeEngine) -> None:
    make_row(created_at=NOON + 3 * HOUR)  # 15:00, the first moment after
    make_row(created_at=NOON - 2 * HOUR - timedelta(microseconds=1))

    assert compare().json["totals"] == []


def test_tokens_of_embeddings_are_left_out(engine: FakeEngine) -> None:
    make_row(operation="embeddings", completion_tokens=0)
    engine.count(ATTEMPTS, NOON + HOUR, "1", gen_ai_request_model="m")
    engine.count(COST, NOON + HOUR, "0.5", gen_ai_request_model="m", gen_ai_usage_cost_currency="USD")

    assert compare().status == 0


def test_counters_are_asked_for_one_service_and_without_increase(engine: FakeEngine) -> None:
    compare("--service", 'shop "one"')

    assert engine.asked
    assert all(
        'service_name="shop \\"one\\""' in expression and "increase(" not in expression for expression in engine.asked
    )


def test_hours_are_the_last_ones_that_are_over() -> None:
    hours = Hours.last(2, NOON + timedelta(minutes=59))

    assert (hours.start, hours.end) == (NOON - 2 * HOUR, NOON)


CAUSES = [
    ({"sum (resets(agentcore": "12"}, "duplicate_instance_ids"),
    ({" unless ": "1"}, "restarts"),
    ({'otel_metric_overflow="true"': "3"}, "overflow"),
    ({'gen_ai_request_model="other"': "3"}, "overflow"),
]


@pytest.mark.parametrize(
    ("evidence", "cause"), CAUSES, ids=["resets", "restarts", "overflow of the SDK", "other models"]
)
def test_cause_is_named_where_something_speaks_for_it(engine: FakeEngine, evidence: dict[str, str], cause: str) -> None:
    make_row()
    engine.instant = {" unless ": "0"} | evidence | PROCESSES

    ended = compare()

    assert (ended.status, causes(ended)) == (1, {cause})


def test_no_cause_is_named_where_nothing_speaks_for_one(engine: FakeEngine) -> None:
    make_row()
    engine.instant = {" unless ": "0"} | PROCESSES

    assert causes(compare()) == set()


def test_counters_that_lack_while_gauges_are_there_are_delta_temporality(engine: FakeEngine) -> None:
    make_row()
    engine.instant = {"agentcore_metering_spool_records": "2"}

    assert causes(compare()) == {"delta_temporality"}


def test_delta_temporality_of_this_environment_is_named(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    make_row()
    engine.instant = {" unless ": "0"} | PROCESSES

    assert causes(compare()) == {"delta_temporality"}


def test_neither_counters_nor_gauges_is_no_metrics(engine: FakeEngine) -> None:
    make_row()

    assert causes(compare()) == {"no_metrics"}


def test_rows_of_dead_processes_are_left_out_and_told(engine: FakeEngine) -> None:
    make_row(status="interrupted", cost=None)
    make_row()
    engine.instant = {" unless ": "0"} | PROCESSES

    ended = compare()

    assert [each["rows"] for each in ended.json["totals"] if each["figure"] == "attempts"] == ["1"]
    assert causes(ended) == {"rows_without_metrics"}


def test_a_backlog_is_named(engine: FakeEngine, spool: Spool) -> None:
    spool.dead(3)
    count(engine, 3, "0.5")
    engine.instant = {" unless ": "0"} | PROCESSES

    assert causes(compare()) == {"spool_backlog"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"out of order"),
        (200, b"<html>"),
        (200, b"{}"),
        (200, b'{"data": null}'),
        (200, b'{"data": {"result": [{"series": 1}]}}'),
        (200, b'{"data": {"result": [{"metric": {}, "values": [["noon", "1"]]}]}}'),
        (200, b'{"data": {"result": [{"metric": {}, "values": [[0, "+Inf"]]}]}}'),
    ],
    ids=["an error", "no JSON", "another document", "no data", "no samples", "no time", "no number"],
)
def test_an_engine_that_cannot_answer_is_2(engine: FakeEngine, status: int, body: bytes) -> None:
    engine.status, engine.body = status, body

    ended = run("metering_reconcile", "--hours", "1")

    assert ended.status == 2
    assert engine.url in ended.reason


def test_an_engine_that_is_away_is_told() -> None:
    with pytest.raises(MetricsUnavailable, match="cannot be asked"):
        reconcile(MetricsEngine("http://127.0.0.1:1"), Hours(NOON, NOON + HOUR))


def test_without_an_address_the_command_says_how_to_name_one() -> None:
    ended = run("metering_reconcile")

    assert (ended.status, "AGENTCORE_METERING_PROMETHEUS_URL" in ended.reason) == (2, True)


@pytest.mark.parametrize("arguments", [("--from", "2026-11-24"), ("--from", "2026-11-24", "--to", "2026-11-24")])
def test_hours_that_are_none_are_refused(engine: FakeEngine, arguments: tuple[str, ...]) -> None:
    assert run("metering_reconcile", *arguments).status == 2


def test_people_read_a_table_and_the_cause(engine: FakeEngine) -> None:
    make_row()
    ended = run("metering_reconcile", "--from", "2026-11-24T10:00", "--to", "2026-11-24T15:00")

    assert "figure         model  currency  rows" in ended.out
    assert "hour 2026-11-24 12:00: attempts m : +1" in ended.out
    assert "likely cause: no_metrics" in ended.out
    assert json.loads(compare().out)["agree"] is False


def test_rollup_that_is_not_the_sum_of_its_rows_is_1_whatever_the_counters_say(engine: FakeEngine) -> None:
    make_row()
    count(engine, 1, "0.5")
    refresh("default", now=NOON + 4 * HOUR)
    agreeing = compare()

    UsageRollup.objects.filter(grain=Grain.HOUR).update(calls=2)
    ended = compare()

    assert (agreeing.status, agreeing.json["rollups"]["differing"]) == (0, [])
    assert agreeing.json["rollups"]["buckets"] > 0
    assert (ended.status, ended.json["agree"]) == (1, False)
    assert {each["grain"] for each in ended.json["rollups"]["differing"]} == {"hour"}
