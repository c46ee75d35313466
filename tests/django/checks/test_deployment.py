"""What is told before it goes wrong in production, by id; each with a hint, and each silent where all is well."""

from __future__ import annotations

import re
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.db import connections
from django.test import override_settings
from pytest_django import Settings

from agentcore_metering.adapters.django import runtime as runtime_module
from agentcore_metering.adapters.django.checks import spool
from agentcore_metering.adapters.django.checks.process import check_environment, check_server
from agentcore_metering.adapters.django.checks.secrets import check_encryption_keys
from agentcore_metering.adapters.django.checks.settings import (
    check_policy_settings,
    check_settings,
    check_telemetry_settings,
)
from agentcore_metering.adapters.django.checks.spool import check_spool
from agentcore_metering.telemetry.bootstrap import TEMPORALITY_ENV
from tests.delivery.builders import make_record

ROOT = Path(__file__).resolve().parents[3]
KEY = "q7i3sW0Xk2b3b1XqkQm3cXx0mVt0m3H5d5Qb2n2k9dE="


@pytest.fixture(autouse=True)
def _production(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that nothing is to be said of."""
    settings.DEBUG = False
    settings.AGENTCORE_METERING_WRITE_MODE = "journal"
    settings.AGENTCORE_METERING_SPOOL_DIR = tmp_path / "spool"
    settings.AGENTCORE_METERING_SPOOL_MAX_BYTES = 1024**2
    settings.AGENTCORE_METERING_ENCRYPTION_KEYS = [KEY]
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/vda / ext4 rw 0 0\n")
    monkeypatch.setattr(spool, "MOUNTS", mounts)
    # The suite's database is in memory as long as no test has asked for it.
    monkeypatch.setattr(connections["default"], "is_in_memory_db", lambda: False, raising=False)
    monkeypatch.delenv("LITELLM_LOG", raising=False)
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    for name in (TEMPORALITY_ENV, "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(tmp_path / "cache"),
        }
    }
    if "litellm" in sys.modules:
        monkeypatch.setattr(sys.modules["litellm"], "set_verbose", False)


def found() -> list[CheckMessage]:
    return [
        message
        for check in (
            check_settings,
            check_telemetry_settings,
            check_policy_settings,
            check_spool,
            check_server,
            check_environment,
            check_encryption_keys,
        )
        for message in check()
    ]


def ids() -> list[str]:
    messages = found()
    assert all(message.hint and message.msg.endswith(".") for message in messages)
    return [(message.id or "").removeprefix("agentcore_metering.") for message in messages]


def test_sound_deployment_has_nothing_to_hear() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"WRITE_MODE": "sometimes"}, ["E002"]),
        ({"READ_WAIT_S": "1", "SPOOL_MAX_BYTES": 1.5}, ["E002", "E002"]),
        ({"DATABASE_ALIAS": "nowhere"}, ["E004"]),
        ({"SPOOL_DIR": None}, ["W001"]),
        ({"SPOOL_DIR": None, "WRITE_MODE": "inline"}, []),
        ({"ENCRYPTION_KEYS": ""}, ["W002"]),
        ({"READ_WAIT_S": 0}, []),
        ({"READ_WAIT_S": 0.01}, ["W006"]),
        ({"READ_WAIT_S": 30}, ["W006"]),
        ({"READ_WAIT_S": 5}, []),
        ({"READ_WAIT_S": 30, "WRITE_MODE": "inline"}, []),
        ({"SPOOL_MAX_BYTES": 2**60}, ["W005"]),
        ({"PROMETHEUS_URL": "prometheus:9090"}, ["E002"]),
        ({"ROLLUP_INTERVAL_S": -1, "CLEANUP_ENABLED": "no", "PRELOAD_LITELLM": 1}, ["E002", "E002", "E002"]),
        ({"ENCRYPTION_KEYS": ["a text and no key"]}, ["E002"]),
        ({"TRACE_URL_TEMPLATE": "grafana"}, ["E120"]),
        ({"RETENTION_DAYS": 0}, ["W012"]),
        ({"RETENTION_DAYS": 1}, []),
        ({"CLEANUP_CRONTAB": "every night", "AGGREGATION_CRONTAB": "61 * * * *"}, ["W013", "W013"]),
        ({"AGGREGATION_TIMEZONE": "Asia/Nowhere"}, ["W013"]),
    ],
    ids=str,
)
def test_setting_is_checked(values: dict[str, Any], expected: list[str]) -> None:
    with override_settings(**{f"AGENTCORE_METERING_{name}": value for name, value in values.items()}):
        assert ids() == expected


@pytest.mark.parametrize("name", ["SPOOL_DIR", "ENCRYPTION_KEYS"])
def test_own_machine_is_no_production(settings: Settings, name: str) -> None:
    settings.DEBUG = True
    delattr(settings, f"AGENTCORE_METERING_{name}")

    assert ids() == []


def test_journal_over_sqlite_in_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = SimpleNamespace(vendor="sqlite", is_in_memory_db=lambda: True)
    monkeypatch.setattr(type(connections), "__getitem__", lambda self, alias: in_memory)

    assert ids() == ["E003"]
    with override_settings(AGENTCORE_METERING_WRITE_MODE="auto"):
        assert ids() == []


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("tmpfs {parent} tmpfs rw 0 0", ["W003"]),
        ("ramfs {parent} ramfs rw 0 0", ["W003"]),
        ("/dev/vdb {parent} xfs rw 0 0", []),
        ("tmpfs {parent}/elsewhere tmpfs rw 0 0", []),
        ("server:/export {parent} nfs4 rw 0 0", ["W011"]),
        ("//server/share {parent} cifs rw 0 0", ["W011"]),
        ("tmpfs {parent} tmpfs rw 0 0\n/dev/vdb {parent}/spool ext4 rw 0 0", []),
        ("nonsense", []),
    ],
)
def test_file_system_that_loses_or_hangs_is_told(tmp_path: Path, mounts: str, expected: list[str]) -> None:
    (tmp_path / "mounts").write_text(f"/dev/vda / ext4 rw 0 0\n{mounts.format(parent=tmp_path)}\n")

    assert ids() == expected


def test_system_without_a_list_of_mounts_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "mounts").unlink()

    assert ids() == []


def _a_file(directory: Path) -> None:
    directory.write_text("a file")


def _a_link(directory: Path) -> None:
    (directory.parent / "elsewhere").mkdir()
    directory.symlink_to(directory.parent / "elsewhere")


@pytest.mark.parametrize("make", [_a_file, _a_link])
def test_spool_that_cannot_be_used_is_told(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "spool")

    assert ids() == ["W004"]


def test_spool_of_somebody_else_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spool").mkdir()
    monkeypatch.setattr("os.geteuid", lambda: 4711)

    (message,) = check_spool()

    assert (message.id, "belongs to user" in message.msg) == ("agentcore_metering.W004", True)


def test_spool_in_a_directory_that_may_not_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_arguments, **_options: False)

    assert ids() == ["W004"]


def test_what_the_spool_takes_already_counts_as_room(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "h-1-x-000001.jnl").write_bytes(b"\0" * 3000)
    usage: Any = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    settings.AGENTCORE_METERING_SPOOL_MAX_BYTES = 4000
    assert ids() == []

    settings.AGENTCORE_METERING_SPOOL_MAX_BYTES = 4001
    assert ids() == ["W005"]


@pytest.mark.parametrize(("has_threads", "expected"), [(0, ["W007"]), (1, [])])
def test_uwsgi_that_says_whether_it_has_threads_is_believed(
    monkeypatch: pytest.MonkeyPatch, has_threads: int, expected: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt={}, has_threads=has_threads))

    assert ids() == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["W007"]),
        ({"enable-threads": b"false"}, ["W007"]),
        ({b"enable-threads": True}, []),
        ({"enable-threads": b"1"}, []),
        ({"threads": b"2"}, []),
        ({"threads": b"0"}, ["W007"]),
    ],
    ids=str,
)
def test_uwsgi_is_asked_for_its_threads(
    monkeypatch: pytest.MonkeyPatch, options: dict[Any, Any], expected: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options))

    assert ids() == expected


def test_uwsgi_without_threads_is_told_in_the_log_where_no_checks_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt={}))

    sink = runtime_module.get_metering().sink
    sink.attempt_ended(make_record())

    assert "--enable-threads" in caplog.text
    assert not sink.flush(0.1)
    assert "agentcore-metering-writer" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("module", "question", "is_patched", "expected"),
    [
        ("gevent.monkey", "is_module_patched", True, ["W008"]),
        ("gevent.monkey", "is_module_patched", False, []),
        ("eventlet.patcher", "is_monkey_patched", True, ["W008"]),
        ("eventlet.patcher", "is_monkey_patched", False, []),
    ],
)
def test_greenlets_in_the_place_of_threads_are_told(
    monkeypatch: pytest.MonkeyPatch, module: str, question: str, is_patched: bool, expected: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{question: lambda name: is_patched}))

    assert ids() == expected


@pytest.mark.parametrize(("level", "expected"), [("DEBUG", ["W009"]), ("debug", ["W009"]), ("INFO", []), ("", [])])
def test_litellms_debug_output_is_told(monkeypatch: pytest.MonkeyPatch, level: str, expected: list[str]) -> None:
    monkeypatch.setenv("LITELLM_LOG", level)

    assert ids() == expected


def test_verbose_litellm_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", SimpleNamespace(set_verbose=True))

    assert ids() == ["W009"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("delta", ["W010"]), ("LowMemory", ["W010"]), ("CUMULATIVE", []), ("cumulative", []), ("", [])],
)
def test_temporality_other_than_cumulative_is_told(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: list[str]
) -> None:
    monkeypatch.setenv(TEMPORALITY_ENV, value)

    assert ids() == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("service.name=shop,service.instance.id=web-1", ["W015"]),
        (" service.instance.id = web-1 ", ["W015"]),
        ("service.name=service.instance.id", []),
    ],
)
def test_instance_id_that_processes_share_is_told(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: list[str]
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", value)

    assert ids() == expected


@pytest.mark.parametrize(
    ("is_imported", "value", "expected"),
    [(True, None, ["W014"]), (True, "False", ["W014"]), (True, "true", []), (False, None, [])],
)
def test_price_map_of_the_network_is_told(
    monkeypatch: pytest.MonkeyPatch, is_imported: bool, value: str | None, expected: list[str]
) -> None:
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    if is_imported:
        monkeypatch.setitem(sys.modules, "litellm", SimpleNamespace())
    monkeypatch.delenv("LITELLM_LOCAL_MODEL_COST_MAP")
    if value is not None:
        monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", value)

    assert ids() == expected


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache"])
def test_cache_that_processes_do_not_share_is_noted_in_production(settings: Settings, backend: str) -> None:
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}

    assert ids() == ["I017"]
    settings.DEBUG = True
    assert ids() == []


def test_project_without_time_zones_is_an_error(settings: Settings) -> None:
    settings.USE_TZ = False

    assert ids() == ["E006"]


def test_database_that_figures_cannot_be_made_on_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(connections["default"]), "vendor", "mysql")

    assert ids() == ["W016"]


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the documents are not beside the tests here")
def test_every_id_stands_in_the_table_of_checks() -> None:
    sources = (ROOT / "agentcore_metering" / "adapters" / "django" / "checks").glob("*.py")
    used = {found for path in sources for found in re.findall(r'id="agentcore_metering\.(\w\d+)"', path.read_text())}
    listed = re.findall(r"^\| `(\w\d{3})` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)

    assert set(listed) == used
    assert len(listed) == len(set(listed))
