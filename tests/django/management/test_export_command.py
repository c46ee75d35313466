from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agentcore_metering.adapters.django.exports import FORMATS, Export, begin_export
from agentcore_metering.adapters.django.exports.formats import BOM
from agentcore_metering.adapters.django.management.commands import metering_export
from agentcore_metering.adapters.django.stats import UsageFilter
from tests.django.factories import NOON, make_usage

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("metering_export", *arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def nodes(path: Path) -> list[str]:
    return [line["node_name"] for line in csv.DictReader(io.StringIO(path.read_text(), newline=""))]


@pytest.mark.parametrize("name", FORMATS)
def test_file_is_what_the_api_sends(tmp_path: Path, name: str) -> None:
    make_usage(cost="1", node_name="\u4e2d\u6587")
    path = tmp_path / "usage"

    run("--format", name, "--output", str(path))

    assert path.read_bytes() == b"".join(begin_export(UsageFilter(), FORMATS[name]))


def test_result_is_told_on_stdout_alone(tmp_path: Path) -> None:
    make_usage()
    path = tmp_path / "usage.csv"

    out, err = run("--output", str(path))

    assert out.splitlines()[:3] == [f"output: {path}", "format: csv", "rows: 1"]
    assert err == ""


def test_result_as_json(tmp_path: Path) -> None:
    make_usage()
    path = tmp_path / "usage.csv"

    out, err = run("--output", str(path), "--json")

    result: dict[str, Any] = json.loads(out)
    assert (result["rows"], result["size_bytes"], result["output"]) == (1, path.stat().st_size, str(path))
    assert err == ""


def test_from_is_inclusive_and_to_is_not(tmp_path: Path) -> None:
    for hour in range(4):
        make_usage(node_name=str(hour), created_at=NOON.replace(hour=hour))
    path = tmp_path / "usage.csv"

    run("--output", str(path), "--from", "2026-02-21T01:00", "--to", "2026-02-21T03:00Z")

    assert nodes(path) == ["1", "2"]


def test_filters_are_those_of_the_api(tmp_path: Path) -> None:
    make_usage(node_name="this", metadata={"job": "a=b"})
    make_usage(node_name="this")
    make_usage(node_name="other", metadata={"job": "a=b"})
    path = tmp_path / "usage.csv"

    run("--output", str(path), "--filter", "node=this", "--filter", "metadata.job=a=b")

    assert nodes(path) == ["this"]


@pytest.mark.parametrize("text", ["nod=this", "status=done", "status", "", "start_date=x"])
def test_filter_that_cannot_be_is_refused_and_no_file_made(tmp_path: Path, text: str) -> None:
    with pytest.raises(CommandError, match="--filter"):
        run("--output", str(tmp_path / "usage.csv"), "--filter", text)

    assert list(tmp_path.iterdir()) == []


def test_byte_order_mark_is_for_csv_alone(tmp_path: Path) -> None:
    run("--output", str(tmp_path / "a"), "--bom")
    run("--output", str(tmp_path / "b"), "--bom", "--format", "jsonl")

    assert (tmp_path / "a").read_bytes().startswith(BOM)
    assert (tmp_path / "b").read_bytes() == b""


def test_output_dash_is_the_rows_alone(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    make_usage()

    call_command("metering_export", "--output", "-", "--verbosity", "0")

    assert capfdbinary.readouterr().out == b"".join(begin_export(UsageFilter(), FORMATS["csv"]))


def test_file_that_is_there_is_replaced_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("old")

    run("--output", str(path))

    assert path.read_text().startswith("created_at,")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_export_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("old")

    def chunks() -> Iterator[bytes]:
        yield b"a part"
        raise RuntimeError("the database went away")

    monkeypatch.setattr(metering_export, "begin_export", lambda *_arguments, **_options: Export(chunks()))
    with pytest.raises(RuntimeError):
        run("--output", str(path))

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_directory_that_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        run("--output", str(tmp_path / "nowhere" / "usage.csv"))
