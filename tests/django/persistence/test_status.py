"""Which figures of the side-channel are a problem, which only a notice, and what reading them costs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import override_settings
from pytest_django import DjangoAssertNumQueries

from agentcore_metering.adapters.django.persistence.status import Limits, SideChannelStatus, read_status
from tests.django.persistence.spools import Spool, aged_record

pytestmark = pytest.mark.django_db(transaction=True)


def codes(status: SideChannelStatus) -> list[str]:
    return [problem.code for problem in status.problems]


def test_status_of_nothing_is_ok_and_makes_nothing(spool: Spool) -> None:
    status = read_status()

    assert (status.is_ok, status.notices, status.mode) == (True, (), "journal")
    assert not spool.directory.exists()


def test_status_asks_the_database_once(spool: Spool, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    spool.dead(30)

    with django_assert_num_queries(1):
        read_status()


def test_status_counts_the_backlog_by_process(spool: Spool) -> None:
    spool.dead(3, age_s=30)
    with spool.living(2, age_s=5):
        document = read_status().as_document()

    assert document["backlog"]["records"] == 5
    assert 30 <= document["backlog"]["oldest_age_s"] < 60
    assert sorted((owner["is_alive"], owner["records"]) for owner in document["owners"]) == [(False, 3), (True, 2)]
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), []),
        (Limits(max_age_s=20), ["backlog_too_old"]),
        (Limits(max_backlog=3), []),
        (Limits(max_backlog=2), ["backlog_too_large"]),
        (Limits(max_age_s=20, max_backlog=0), ["backlog_too_old", "backlog_too_large"]),
    ],
)
def test_backlog_over_a_limit_is_a_problem(spool: Spool, limits: Limits, expected: list[str]) -> None:
    spool.dead(3, age_s=30)

    assert codes(read_status(limits)) == expected


def test_record_that_waits_for_more_than_a_minute_is_a_problem_by_default(spool: Spool) -> None:
    spool.dead(1, age_s=61)

    assert codes(read_status()) == ["backlog_too_old"]


def test_table_that_is_not_there_is_a_problem(spool: Spool, missing_table: None) -> None:
    status = read_status()

    assert codes(status) == ["database_unreachable"]
    assert not status.is_database_reachable


@override_settings(AGENTCORE_METERING_DATABASE_ALIAS="nowhere", AGENTCORE_METERING_WRITE_MODE="journal")
def test_database_that_is_not_configured_is_a_problem(spool: Spool) -> None:
    assert codes(read_status()) == ["database_unreachable"]


def test_full_spool_is_a_problem(spool: Spool) -> None:
    with spool.living(1), override_settings(AGENTCORE_METERING_SPOOL_MAX_BYTES=1024 * 1024):
        assert codes(read_status()) == ["spool_full"]


@pytest.mark.parametrize("mode", ["journal", "inline"])
def test_directory_that_cannot_be_used_is_a_problem_where_it_is_needed(spool: Spool, mode: str) -> None:
    spool.directory.write_text("a file")

    with override_settings(AGENTCORE_METERING_WRITE_MODE=mode):
        found = codes(read_status())

    assert found == (["spool_unreadable", "spool_unusable"] if mode == "journal" else ["spool_unreadable"])


def test_quarantine_and_damage_are_notices(spool: Spool) -> None:
    spool.quarantined(aged_record(), aged_record())
    for name in ("h-1-x-000001.jnl.corrupt", "h-1-x-000002.jnl.v9"):
        (spool.directory / name).write_bytes(b"?")

    status = read_status()

    assert status.is_ok
    assert [notice.code for notice in status.notices] == ["quarantined", "corrupt_segments", "newer_segments"]


def test_full_disk_is_a_problem(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage: Any = shutil.disk_usage(spool.directory.parent)._replace(free=4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    assert codes(read_status()) == ["disk_full"]
