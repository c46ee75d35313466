"""Owns the comparison of the provider's ledger with the rows. Every request of the ledger is one row; there is no other ended one.

Requests are told apart by the call's key, which is in the ledger and in the row's metadata, and by their number among those of the
key. By the primary key alone a doubled row could not be seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.bench_process import quantile
from benchmarks.chaos.calling import UNIT_PRICE
from benchmarks.chaos.stage import Stage

__all__ = ["Reckoning", "count_served", "missing", "reckon"]

Request = tuple[str, int]
"""A call's key and the attempt's number, from 1."""

_ROWS = """
    SELECT metadata->>'key', attempt, status, prompt_tokens, completion_tokens, cost, metadata->>'path' = 'litellm', ended_at < started_at
    FROM llm_tracker_usage
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What is compared of a row."""

    request: Request
    status: str
    tokens: tuple[int, int]
    cost: Decimal | None
    is_litellm: bool
    ends_before_it_starts: bool


@dataclass(slots=True)
class Reckoning:
    """The result: what must be nothing is in `faults`."""

    served: int
    rows: int
    statuses: Counter[str]
    litellm_rows: int
    lost: list[Request]
    duplicated: int
    invented: int
    """Ended rows of requests that the provider has never seen."""
    wrong: list[Row]
    """Rows whose tokens, status or cost are not what the provider told."""
    time_reversed: int
    quarantined: int
    left_segments: int
    complaints: int
    tracebacks: int
    timings_us: list[float] = field(repr=False)
    refused: int = 0

    @property
    def faults(self) -> dict[str, int]:
        """What must be nothing and is not."""
        figures = {
            "lost": len(self.lost),
            "duplicated": self.duplicated,
            "invented": self.invented,
            "wrong": len(self.wrong),
            "ended before they started": self.time_reversed,
            "quarantined": self.quarantined,
            "segments left": self.left_segments,
            "exceptions at callers": self.complaints,
            "tracebacks": self.tracebacks,
        }
        return {name: figure for name, figure in figures.items() if figure}

    def quantile_us(self, share: float) -> float:
        """Microseconds that metering kept a caller at this quantile; 0 where nothing was measured."""
        return quantile(self.timings_us, share) if self.timings_us else 0


def reckon(stage: Stage, connection: psycopg.Connection[Any]) -> Reckoning:
    """Compare, now that nothing moves any more."""
    ledger = _ledger(stage)
    rows = _rows(connection)
    ended = [row for row in rows if row.status != "interrupted"]
    found = {row.request for row in rows}
    return Reckoning(
        served=len(ledger),
        rows=len(rows),
        statuses=Counter(row.status for row in rows),
        litellm_rows=sum(row.is_litellm for row in rows),
        lost=sorted(set(ledger) - found),
        duplicated=len(rows) - len(found),
        invented=sum(row.request not in ledger for row in ended),
        wrong=[row for row in ended if row.request in ledger and _is_wrong(row, ledger[row.request])],
        time_reversed=sum(row.ends_before_it_starts for row in rows),
        quarantined=sum(1 for _ in _lines(stage.spool / "quarantine.ndjson")),
        left_segments=len(list(stage.spool.glob("*.jnl"))),
        complaints=sum(line.startswith("---") for line in _lines(stage.complaints)),
        tracebacks=sum(line.startswith("Traceback") for line in _lines(stage.log)),
        timings_us=sorted(int(line) / 1000 for path in stage.timings.iterdir() for line in _lines(path)),
        refused=sum(1 for _ in _lines(stage.refusals)),
    )


def count_served(stage: Stage) -> int:
    """Requests that the provider has served so far."""
    return sum(1 for path in stage.ledger.iterdir() for _line in _lines(path))


def missing(stage: Stage, connection: psycopg.Connection[Any], wanted: set[Request] | None = None) -> set[Request]:
    """Requests, of `wanted` or of all that were served so far, that have no row yet."""
    found = {row.request for row in _rows(connection)}
    return (set(_ledger(stage)) if wanted is None else wanted) - found


def _ledger(stage: Stage) -> dict[Request, tuple[int, tuple[int, int]]]:
    """Status and tokens that the provider told, by request."""
    served: dict[Request, tuple[int, tuple[int, int]]] = {}
    counts: Counter[str] = Counter()
    for path in stage.ledger.iterdir():
        for line in _lines(path):
            key, status, input_tokens, output_tokens = line.split()
            counts[key] += 1
            served[key, counts[key]] = int(status), (int(input_tokens), int(output_tokens))
    return served


def _rows(connection: psycopg.Connection[Any]) -> list[Row]:
    return [
        Row((key, attempt), status, (prompt, completion), cost, bool(is_litellm), bool(is_reversed))
        for key, attempt, status, prompt, completion, cost, is_litellm, is_reversed in connection.execute(_ROWS)
    ]


def _is_wrong(row: Row, told: tuple[int, tuple[int, int]]) -> bool:
    status, tokens = told
    if status >= 400:
        return row.status != "failed"
    if row.status == "cancelled":
        return False
    cost = None if row.is_litellm else sum(tokens) * UNIT_PRICE
    return row.status != "succeeded" or row.tokens != tokens or (cost is not None and row.cost != cost)


def _lines(path: Path) -> Iterator[str]:
    """The whole lines of a file; none where there is no file. A killed writer may have left part of one."""
    if not path.exists():
        return
    with path.open() as file:
        for line in file:
            if line.endswith("\n"):
                yield line
