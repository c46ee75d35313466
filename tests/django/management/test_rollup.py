"""`metering_rollup`: what it does, what it prints, and with which status it ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from agentcore_metering.adapters.django.management.commands import metering_rollup
from agentcore_metering.adapters.django.models import UsageRollup
from agentcore_metering.adapters.django.rollups.grains import Grain
from agentcore_metering.adapters.django.rollups.refresh import RefreshSummary
from tests.django.factories import make_usage
from tests.django.management.test_operators import run

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2026, 2, 21, 12, tzinfo=UTC)


def test_rollup_sums_up_and_says_how_much() -> None:
    make_usage(created_at=LONG_AGO)

    ended = run("metering_rollup", "--json")

    assert ended.status == 0
    assert ended.json["refreshed_hours"] >= 1
    assert (ended.json["remaining_hours"], ended.json["dry_run"]) == (0, False)
    assert UsageRollup.objects.count() == len(Grain)


def test_dry_run_says_what_there_is_to_do_and_does_nothing() -> None:
    make_usage(created_at=LONG_AGO)
    run("metering_rollup")
    make_usage(created_at=LONG_AGO)

    ended = run("metering_rollup", "--dry-run", "--json")

    assert (ended.json["remaining_hours"], ended.json["dry_run"]) == (1, True)
    assert set(UsageRollup.objects.values_list("calls", flat=True)) == {1}


def test_verify_of_true_sums_ends_well() -> None:
    make_usage(created_at=LONG_AGO)
    run("metering_rollup")

    ended = run("metering_rollup", "--verify")

    assert ended.status == 0
    assert ended.out.endswith("buckets compared, 0 differ\n")


def test_verify_names_the_bucket_that_differs_and_fails() -> None:
    make_usage(created_at=LONG_AGO)
    run("metering_rollup")
    UsageRollup.objects.filter(grain=2).update(total_tokens=0)

    ended = run("metering_rollup", "--verify", "--json", "--from", "2026-02-01", "--to", "2026-03-01")

    assert ended.status == 1
    assert ended.json["differences"] == [
        {"table": "agentcore_metering_rollup", "grain": "day", "bucket": "2026-02-21T00:00:00+00:00"}
    ]
    assert "--rebuild" in ended.reason


def test_rebuild_makes_it_true_again() -> None:
    make_usage(created_at=LONG_AGO)
    run("metering_rollup")
    UsageRollup.objects.update(total_tokens=0)

    run("metering_rollup", "--rebuild")

    assert run("metering_rollup", "--verify").status == 0


def test_second_refresher_ends_with_a_status_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering_rollup, "refresh", lambda *_args, **_kwargs: RefreshSummary(is_busy=True))

    assert run("metering_rollup").status == 2


def test_rollup_of_an_empty_table_is_nothing_to_do() -> None:
    ended = run("metering_rollup")

    assert ended.status == 0
    assert json.loads(run("metering_rollup", "--verify", "--json").out) == {"buckets": 0, "differences": []}
