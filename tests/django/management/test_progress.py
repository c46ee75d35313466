"""The line that says how far long work is, on a terminal of its own."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

import pytest
from django.core.management import CommandError, call_command

from agentcore_metering.adapters.django.management import progress as progress_module
from agentcore_metering.adapters.django.management.progress import Progress, progress_line
from tests.django.factories import make_usage
from tests.django.management.test_pricing_commands import DAY, make_row
from tests.fakes import FakeClock


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "line"),
    [
        (0, 500, 0.0, "[....................]   0%  0 of 500 rows  0 rows/s  ? left"),
        (1_250, 50_000, 2.5, "[....................]   2%  1,250 of 50,000 rows  500 rows/s  1:37 left"),
        (3, 4, 10.0, "[###############.....]  75%  3 of 4 rows  0.3 rows/s  0:03 left"),
        (100, 1_000_000, 5.0, "[....................]   0%  100 of 1,000,000 rows  20 rows/s  13:53:15 left"),
        (500, 500, 2.0, "[####################] 100%  500 of 500 rows  250 rows/s  0:00 left"),
        (501, 500, 2.0, "[####################] 100%  501 of 501 rows  250 rows/s  0:00 left"),
        (0, 0, 1.0, "[####################] 100%  0 of 0 rows  0 rows/s  ? left"),
        (1_500, None, 3.0, "1,500 rows  500 rows/s"),
    ],
)
def test_line_says_done_total_rate_and_time_left(done: int, total: int | None, elapsed_s: float, line: str) -> None:
    assert progress_line("rows", done, total, elapsed_s) == line


def test_lines_are_drawn_at_most_ten_times_a_second_and_are_gone_at_the_end() -> None:
    clock, written = FakeClock(), []

    with Progress(written.append, "rows", lambda: 1_000, clock.monotonic_s) as progress:
        for done in range(1, 1_001):
            clock.advance(0.01)
            progress.update(done)

    assert 80 <= len(written) <= 102  # of ten seconds
    assert all(text.startswith("\r[") for text in written[:-1])
    assert written[-1] == "\r" + " " * len(written[-2].strip("\r")) + "\r"


def test_a_shorter_line_leaves_nothing_of_a_longer_one() -> None:
    clock, written = FakeClock(), []

    with Progress(written.append, "rows", None, clock.monotonic_s) as progress:
        for done in (1_000_000, 1):
            clock.advance(1)
            progress.update(done)

    assert len(written[2]) >= len(written[1])


def test_line_is_no_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    written: list[str] = []

    with Progress(written.append, "rows", lambda: 1_000):
        pass

    assert len(written[0].strip("\r")) == 29


def test_where_nothing_is_shown_nothing_is_counted() -> None:
    def count() -> int:
        raise AssertionError("nobody asked for it")

    with Progress(None, "rows", count) as progress:
        progress.update(1)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TextIO, int]]:
    """A pseudo-terminal of 100 columns: its end for the command, and the one to read from."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(progress_module, "INTERVAL_S", 0.0)
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w", buffering=1) as stream:
        yield stream, reading
    os.close(reading)


def shown(terminal: tuple[TextIO, int], *arguments: str, **options: Any) -> str:
    """What a person sees of the command's stderr."""
    stream, reading = terminal
    try:
        call_command(*arguments, stdout=StringIO(), stderr=stream, **options)
    except CommandError as error:
        stream.write(str(error))
    stream.write("END")
    stream.flush()
    seen = b""
    while not seen.endswith(b"END"):
        seen += os.read(reading, 65536)
    return seen.decode().removesuffix("END")


LONG_WORK: dict[str, tuple[str, ...]] = {
    "1 of 1 rows": ("metering_reprice", *DAY),
    "1 rows": ("metering_audit_costs",),
    "0 of 0 records": ("metering_drain", "--timeout", "0"),
    "0 of 0 rows": ("metering_secrets", "rotate"),
    "0 hours": ("metering_rollup",),
    "0 buckets": ("metering_rollup", "--verify"),
    "of 1 rows": ("metering_cleanup", "--retention-days", "1"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("arguments", LONG_WORK.values(), ids=lambda arguments: "-".join(arguments[:2]))
def test_long_work_shows_a_line_that_is_gone_at_the_end(
    terminal: tuple[TextIO, int], arguments: tuple[str, ...]
) -> None:
    make_row()

    seen = shown(terminal, *arguments)

    unit = next(unit for unit in ("rows", "records", "hours", "buckets") if unit in seen)
    assert f"{unit}/s" in seen
    assert seen.rpartition("\r")[2] == ""


@pytest.mark.django_db
def test_export_shows_how_many_of_how_many_rows(terminal: tuple[TextIO, int], tmp_path: Path) -> None:
    for _ in range(3):
        make_usage()

    seen = shown(terminal, "metering_export", "--output", str(tmp_path / "usage.csv"))

    assert "0 of 3 rows" in seen
    assert "3 of 3 rows" in seen


@pytest.mark.django_db
@pytest.mark.parametrize("quiet", [("--json",), ("--verbosity", "0")], ids=["json", "verbosity-0"])
def test_nothing_is_shown_where_it_is_not_wanted(terminal: tuple[TextIO, int], quiet: tuple[str, ...]) -> None:
    make_row()

    assert shown(terminal, "metering_reprice", *DAY, *quiet) == ""


@pytest.mark.django_db
def test_an_error_is_told_on_a_line_of_its_own(terminal: tuple[TextIO, int], tmp_path: Path) -> None:
    seen = shown(terminal, "metering_export", "--output", str(tmp_path / "no" / "usage.csv"))

    assert seen.rpartition("\r")[2].startswith(f"{tmp_path}/no/usage.csv cannot be written")
