"""By which meter a call is recorded, and that asking for it leaves nothing behind in the host's thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from agentcore_metering.adapters.django import runtime
from agentcore_metering.adapters.django.instrumentation.meters import Meters
from agentcore_metering.core import containment
from agentcore_metering.core.lifecycle import CallServices

pytestmark = pytest.mark.django_db(transaction=True)


def is_connected() -> bool:
    return connection.connection is not None


def test_a_thread_without_a_connection_is_left_without_one() -> None:
    def ask() -> tuple[CallServices, bool]:
        services = Meters({}).services()
        # A database in memory has no connection that could be closed.
        is_left = is_connected() and not connection.settings_dict["NAME"].startswith("file:memory")
        connections.close_all()
        return services, is_left

    with ThreadPoolExecutor(1) as threads:
        services, is_left = threads.submit(ask).result()

    assert services == runtime.get_metering().services
    assert not is_left


def test_a_connection_of_the_hosts_stays_open() -> None:
    connection.ensure_connection()

    Meters({}).services()

    assert is_connected()


def test_on_an_event_loop_prices_are_read_by_another_thread() -> None:
    async def ask() -> CallServices:
        return Meters({}).services()

    assert asyncio.run(ask()) == runtime.get_metering().services
    assert containment.contained_counts() == {}


def test_prices_that_cannot_be_read_cost_a_call_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    metering = runtime.get_metering()

    def fail() -> None:
        raise LookupError("no prices")

    monkeypatch.setattr(metering.prices, "refresh_if_due", fail)

    assert Meters({}).services() == metering.services
    assert containment.contained_counts() == {"pricing": 1}
    containment.reset()
