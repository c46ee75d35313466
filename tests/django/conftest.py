"""Fixtures of the Django tests: a stub provider on a real socket, a meter that records its telemetry, nothing left over."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import translation
from pytest_django import DjangoDbBlocker, Settings

from agentcore_metering.adapters.django import outbound, runtime
from agentcore_metering.core import containment
from agentcore_metering.telemetry.observer import TelemetryObserver
from example.stub_provider import StubProvider
from tests.django.persistence.spools import Spool
from tests.telemetry.recording import RecordedTelemetry, record_telemetry


@pytest.fixture(autouse=True)
def _fresh_meter() -> Iterator[None]:
    runtime.reset()
    containment.reset()
    cache.clear()  # cool-downs and counted test calls
    yield
    translation.deactivate()  # as a server does between requests
    runtime.reset()
    assert containment.contained_counts() == {}, "metering hid an error of its own"


@pytest.fixture(autouse=True)
def _no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts of configurations are not looked up: a test that is about their addresses brings a resolver of its own."""
    monkeypatch.setattr(outbound, "_resolve", lambda _host, _port: ())


@pytest.fixture(scope="session", autouse=True)
def _alone_at_the_end(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A thread of an event loop that is gone may still hold a connection, and PostgreSQL drops no database that is in use."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(scope="session")
def _running_stub() -> Iterator[StubProvider]:
    with StubProvider() as stub:
        yield stub


@pytest.fixture
def stub(_running_stub: StubProvider) -> StubProvider:
    _running_stub.clear()
    return _running_stub


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedTelemetry]:
    """What the meter of this test sends, by providers of its own."""
    recorded = record_telemetry()
    observer = functools.partial(TelemetryObserver, recorded.tracer_provider, recorded.meter_provider)
    monkeypatch.setattr(runtime, "TelemetryObserver", observer)
    yield recorded
    recorded.close()


@pytest.fixture
def spool(tmp_path: Path, settings: Settings) -> Spool:
    """A journal's directory of this test's own, as the settings name it; it is not made yet."""
    settings.AGENTCORE_METERING_WRITE_MODE = "journal"
    settings.AGENTCORE_METERING_SPOOL_DIR = tmp_path / "spool"
    return Spool(tmp_path / "spool")


@pytest.fixture
def missing_table(transactional_db: None) -> Iterator[None]:
    """The table of usage rows is not where it is looked for, as before a migration."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE llm_tracker_usage RENAME TO elsewhere")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE elsewhere RENAME TO llm_tracker_usage")
