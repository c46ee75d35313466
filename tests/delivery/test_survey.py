"""What can be seen of a spool from outside, and that looking at it changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from agentcore_metering.delivery.adoption import Adopter
from agentcore_metering.delivery.journal import Journal
from agentcore_metering.delivery.segment import Segment
from agentcore_metering.delivery.survey import survey
from agentcore_metering.delivery.throttle import LogThrottle
from tests.delivery.builders import MemoryStore, leave_behind, make_record, make_start, with_key_of_a_mark
from tests.fakes import FakeClock


def test_survey_of_no_directory_is_empty(tmp_path: Path) -> None:
    seen = survey(tmp_path / "nowhere" / "spool")

    assert (seen.owners, seen.records, seen.undelivered_bytes, seen.oldest_ended_at) == ((), 0, 0, None)
    assert (seen.used_bytes, seen.quarantined_records, seen.corrupt_segments, seen.newer_segments) == (0, 0, 0, 0)
    assert seen.free_bytes is not None
    assert not (tmp_path / "nowhere").exists()


def test_survey_tells_the_living_from_the_dead(tmp_path: Path) -> None:
    living = Journal(tmp_path)
    for number in range(3):
        living.append_end(make_record(str(number)))
    living_paths = list(tmp_path.glob("*.jnl"))
    dead = set(leave_behind(tmp_path, *[make_record(str(number)) for number in range(30)])) - {*living_paths}

    owners = {owner.is_alive: owner for owner in survey(tmp_path).owners}

    assert (owners[True].owner, owners[True].segments, owners[True].records) == (living.owner, 1, 3)
    assert (owners[False].segments, owners[False].records) == (len(dead), 30)
    assert survey(tmp_path).orphaned_segments == len(dead)
    living.close()


def test_survey_counts_what_is_not_delivered_yet(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append_end(make_record("delivered"))
    chunk = journal.read()
    assert chunk is not None
    journal.acknowledge(chunk)
    oldest = make_record("oldest")
    journal.append_start(make_start())
    journal.append_end(oldest)
    journal.append_end(make_record("newest"))

    seen = survey(tmp_path)

    assert (seen.records, seen.oldest_ended_at) == (2, oldest.ended_at)
    assert seen.undelivered_bytes == journal.unread_bytes
    journal.close()


def test_survey_takes_no_metadata_for_a_record(tmp_path: Path) -> None:
    leave_behind(tmp_path, with_key_of_a_mark(make_record()))

    assert survey(tmp_path).records == 1


def test_survey_does_not_keep_anybody_from_adopting(tmp_path: Path) -> None:
    store = MemoryStore()
    leave_behind(tmp_path, make_record())

    survey(tmp_path)
    adopted = Adopter(Journal(tmp_path), LogThrottle(FakeClock())).adopt(store.write)

    assert (adopted, len(store.rows)) == (1, 1)


def test_survey_counts_what_was_set_aside(tmp_path: Path) -> None:
    for name in ("a-1-x-000001.jnl.corrupt", "a-1-x-000002.jnl.corrupt", "a-1-x-000003.jnl.v2"):
        (tmp_path / name).write_bytes(b"?")
    (tmp_path / "quarantine.ndjson").write_text("\n".join([json.dumps({})] * 3) + "\n")

    seen = survey(tmp_path)

    assert (seen.corrupt_segments, seen.newer_segments, seen.quarantined_records, seen.owners) == (2, 1, 3, ())


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"no header at all", b"\xff" * 4096])
def test_survey_of_damage_counts_no_records(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "host-1-x-000001.jnl").write_bytes(content)

    (owner,) = survey(tmp_path).owners

    assert (owner.records, owner.is_alive, owner.oldest_ended_at) == (0, False, None)


def test_survey_passes_over_what_goes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_behind(tmp_path, make_record())
    monkeypatch.setattr(Segment, "view", lambda path: None)

    assert survey(tmp_path).owners == ()


def test_survey_of_a_disk_that_tells_nothing_has_no_free_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise OSError("stale file handle")

    monkeypatch.setattr(shutil, "disk_usage", fail)

    assert survey(tmp_path).free_bytes is None
