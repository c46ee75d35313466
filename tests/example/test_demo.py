"""The demonstration says equal where the views are equal, and DIFFERENT where they are not."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from example.demo.figures import Figures, compare
from example.stub_provider import parse_directive
from example.traffic import wishes

ROOT = Path(__file__).resolve().parents[2]


def test_compare_tells_one_unit_in_the_last_place() -> None:
    first = {"m": Figures(1, 10, 5, {"USD": Decimal("0.000000000001")})}
    second = {"m": Figures(1, 10, 5, {"USD": Decimal("0.000000000002")})}

    lines = compare([first, second])

    assert [line.label for line in lines if not line.is_equal] == ["cost USD"]


def test_compare_tells_a_model_that_a_view_does_not_have() -> None:
    assert [line.is_equal for line in compare([{"m": Figures(1, 2, 3)}, {}])] == [False, False, False]


def test_compare_forgives_the_binary_fraction_of_a_counter() -> None:
    assert compare(
        [{"m": Figures(cost={"USD": Decimal("0.1")})}, {"m": Figures(cost={"USD": Decimal(repr(0.1 + 1e-17))})}]
    )[-1].is_equal


def test_traffic_has_every_kind_of_call() -> None:
    kinds = [wish.kind for wish in wishes(84, {"cny": "a", "unpriced": "b"})]

    assert len(kinds) >= 60
    assert {"stream", "tool call", "refused key", "client leaves mid-stream", "plain, another currency"} <= set(kinds)
    assert len({wish.user for wish in wishes(84, {})}) == 2


def test_traffic_of_another_run_fails_at_first_again() -> None:
    def keys(run: str) -> set[str | None]:
        return {parse_directive(wish.body["prompt"]).key for wish in wishes(28, {}, run)} - {None}

    assert len(keys("a-")) == len(keys("")) == 4
    assert keys("a-").isdisjoint(keys("b-"))


@pytest.mark.timeout(170)
def test_the_demonstration_ends_with_all_views_equal(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "example.demo", "--once"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=160,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "DIFFERENT" not in done.stdout
    assert "0 different." in done.stdout
    assert not list(tmp_path.iterdir())
