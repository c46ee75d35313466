"""The commands for operators: what they do, what they print, and with which status they end."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import replace
from io import StringIO
from typing import Any, NamedTuple

import pytest
from django.core.management import CommandError, call_command

from agentcore_metering.adapters.django import runtime
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.journal import DjangoRowStore
from agentcore_metering.delivery import sweep as sweep_module
from agentcore_metering.delivery.relief import Relief
from tests.delivery.builders import make_record, make_start
from tests.django.persistence.spools import Spool, aged_record

pytestmark = pytest.mark.django_db(transaction=True)


class Ended(NamedTuple):
    status: int
    out: str
    err: str
    reason: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: str) -> Ended:
    out, err = StringIO(), StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err, no_color=True)
    except CommandError as error:
        return Ended(error.returncode, out.getvalue(), err.getvalue(), str(error))
    return Ended(0, out.getvalue(), err.getvalue(), "")


class TestDrain:
    def test_drain_of_nothing_makes_nothing(self, spool: Spool) -> None:
        ended = run("metering_drain", "--json")

        assert (ended.status, ended.json["outcome"], ended.json["written"]) == (0, "empty", 0)
        assert not spool.directory.exists()

    def test_drain_delivers_the_dead_and_the_idle(self, spool: Spool) -> None:
        spool.dead(20)
        with spool.living(7):
            ended = run("metering_drain", "--json")

        assert ended.status == 0
        assert (ended.json["written"], ended.json["relieved_records"], ended.json["left_records"]) == (27, 7, 0)
        assert LLMUsage.objects.count() == 27

    def test_drain_delivers_what_this_process_has_on_its_way(self, spool: Spool) -> None:
        sink = runtime.get_metering().sink
        for _ in range(5):
            sink.attempt_ended(aged_record(age_s=0))

        assert run("metering_drain").status == 0
        assert LLMUsage.objects.count() == 5

    def test_drain_twice_makes_no_second_row(self, spool: Spool) -> None:
        with spool.living(4):
            run("metering_drain")
            assert run("metering_drain", "--json").json["written"] == 0
        run("metering_drain")  # the process is dead now

        assert LLMUsage.objects.count() == 4

    def test_drain_without_a_database_is_2_and_keeps_everything(
        self, spool: Spool, missing_table: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweep_module, "PAUSE_S", 0.01)
        spool.dead(3)

        ended = run("metering_drain", "--json", "--timeout", "0.05")

        assert (ended.status, ended.json["outcome"], ended.json["left_records"]) == (2, "database_away", 3)
        assert "the database is away" in ended.reason
        assert "3 records" in ended.reason

    def test_drain_that_cannot_get_at_something_is_1(self, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Relief, "relieve", lambda self, deliver: 0)
        with spool.living(2):
            ended = run("metering_drain", "--timeout", "0")

        assert (ended.status, "2 records" in ended.reason) == (1, True)

    def test_drain_of_a_file_says_so(self, spool: Spool) -> None:
        spool.directory.write_text("a file")

        ended = run("metering_drain", "--timeout", "0")

        assert (ended.status, "cannot be read" in ended.reason) == (1, True)

    @pytest.mark.parametrize("text", ["-1", "soon", "nan", "inf"])
    def test_timeout_that_is_no_number_of_seconds_is_refused(self, text: str) -> None:
        assert "no number of seconds" in run("metering_drain", f"--timeout={text}").reason


class TestStatus:
    def test_status_shows_every_process(self, spool: Spool) -> None:
        spool.dead(3)
        with spool.living(2) as journal:
            owner = journal.owner
            ended = run("metering_status")

        assert ended.status == 0
        lines = {line.split()[0]: line.split()[1:] for line in ended.out.splitlines() if line}
        assert lines["status"] == ["ok"]
        assert lines[owner][:3] == ["alive", "1", "2"]
        assert "dead" in ended.out

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [(["--max-age", "5"], "backlog_too_old"), (["--max-backlog", "2"], "backlog_too_large")],
    )
    def test_status_over_a_limit_is_1(self, spool: Spool, arguments: list[str], code: str) -> None:
        spool.dead(3)

        ended = run("metering_status", "--json", *arguments)

        assert (ended.status, ended.json["status"]) == (1, "degraded")
        assert [problem["code"] for problem in ended.json["problems"]] == [code]

    def test_status_without_a_database_is_2(self, spool: Spool, missing_table: None) -> None:
        ended = run("metering_status")

        assert ended.status == 2
        assert "problem: database_unreachable" in ended.out
        assert "llm_tracker_usage" in ended.reason

    def test_status_tells_notices_and_is_0(self, spool: Spool) -> None:
        spool.quarantined(aged_record())

        ended = run("metering_status")

        assert (ended.status, "notice: quarantined" in ended.out) == (0, True)


class TestQuarantine:
    @pytest.mark.parametrize("action", ["list", "replay"])
    def test_quarantine_of_nothing_makes_nothing(self, spool: Spool, action: str) -> None:
        assert run("metering_quarantine", action).status == 0
        assert not spool.directory.exists()

    def test_list_shows_what_was_refused_and_why(self, spool: Spool) -> None:
        record = aged_record()
        spool.quarantined(record)

        (shown,) = run("metering_quarantine", "list", "--json").json

        assert (shown["id"], shown["model"], shown["status"]) == (str(record.id), "gpt-4o-mini", "succeeded")
        assert shown["error"] == "RowsRejected: value too long"
        assert str(record.id) in run("metering_quarantine", "list").out

    def test_replay_stores_what_the_database_takes_now(self, spool: Spool) -> None:
        spool.quarantined(*[aged_record() for _ in range(3)])

        ended = run("metering_quarantine", "replay", "--json")

        assert (ended.status, ended.json) == (0, {"stored": 3, "kept": 0, "unreadable": 0})
        assert LLMUsage.objects.count() == 3
        assert run("metering_quarantine", "list", "--json").json == []

    def test_replay_keeps_what_is_refused_again(self, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
        hopeless = replace(aged_record(), attempt=2**70)
        monkeypatch.setattr(DjangoRowStore, "repair", lambda self, record: record)
        spool.quarantined(aged_record(), hopeless)

        ended = run("metering_quarantine", "replay", "--json")

        assert (ended.status, ended.json) == (1, {"stored": 1, "kept": 1, "unreadable": 0})
        assert [item["id"] for item in run("metering_quarantine", "list", "--json").json] == [str(hopeless.id)]

    def test_replay_without_a_database_is_2_and_keeps_everything(self, spool: Spool, missing_table: None) -> None:
        spool.quarantined(aged_record(), aged_record())

        ended = run("metering_quarantine", "replay")

        assert (ended.status, "still in quarantine" in ended.reason) == (2, True)
        assert len(run("metering_quarantine", "list", "--json").json) == 2

    def test_replay_beside_another_one_is_1(self, spool: Spool) -> None:
        spool.quarantined(aged_record())
        fd = os.open(spool.directory / "quarantine.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)

        ended = run("metering_quarantine", "replay")
        os.close(fd)

        assert (ended.status, "another process" in ended.reason) == (1, True)


@pytest.mark.parametrize("name", ["metering_drain", "metering_status", "metering_quarantine"])
def test_help_says_what_the_exit_status_means(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command(name, "--help")

    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Exit status" in text
    assert "--json" in text


def test_interrupted_attempts_are_counted(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.delivery.builders import leave_behind

    leave_behind(spool.directory, make_start(), make_record())

    assert run("metering_drain", "--json").json["interrupted"] == 1
