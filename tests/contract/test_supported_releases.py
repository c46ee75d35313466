"""The releases that are promised, those that are tried, and those that are told are the same."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.older_releases import LIMITS, Limit

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "docs").exists():
    pytest.skip("beside the wheel there are no pages", allow_module_level=True)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGE = (ROOT / "docs" / "dependencies.md").read_text()
TABLE = {
    name.lower(): (oldest, newest)
    for name, oldest, newest in re.findall(r"^\| ([A-Za-z-]+) \| ([0-9][0-9.b]*) \| ([0-9][0-9.b]*) \|$", PAGE, re.M)
}


def constraints(name: str) -> dict[str, str]:
    lines = (ROOT / "tests" / "constraints" / f"{name}.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {package.lower().replace("_", "-"): release for package, release in pairs}


def bounds() -> dict[str, str]:
    extras = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *extras["otel"], *extras["postgres"], *extras["celery"]]
    pairs = (re.fullmatch(r"([A-Za-z-]+)(?:\[binary\])?>=([0-9.b]+)", requirement) for requirement in needed)
    return {pair[1].lower(): pair[2] for pair in pairs if pair}


def numbers(release: str) -> list[int]:
    parts = [int(part) for part in re.findall(r"[0-9]+", release)]
    while parts and parts[-1] == 0:
        parts.pop()
    return parts


def test_every_requirement_has_its_row() -> None:
    assert TABLE.keys() - {"python"} == bounds().keys()


@pytest.mark.parametrize("package", sorted(bounds()))
def test_promised_tried_and_told_are_the_same(package: str) -> None:
    oldest, newest = TABLE[package]

    assert numbers(bounds()[package]) == numbers(constraints("oldest")[package]) == numbers(oldest)
    assert constraints("tested")[package] == newest


def test_pythons_are_those_of_the_classifiers() -> None:
    told = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r":: Python :: 3\.[0-9]+$", text)]

    assert TABLE["python"] == (told[0], told[-1])
    assert PROJECT["requires-python"] == f">={told[0]}"
    assert numbers(told[0]) <= list(sys.version_info[:2])


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.package}-{limit.since}")
def test_what_an_older_release_cannot_do_is_told(limit: Limit) -> None:
    assert f"| {limit.package} {limit.since} | {limit.reason} |" in PAGE
    assert numbers(TABLE[limit.package][0]) < numbers(limit.since) <= numbers(TABLE[limit.package][1])


def test_nothing_is_skipped_with_the_newest_releases() -> None:
    assert not any(numbers(constraints("tested")[limit.package]) < numbers(limit.since) for limit in LIMITS)
