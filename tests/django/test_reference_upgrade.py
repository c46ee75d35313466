"""Databases of the reference's releases: taken over in place, used by API and tracker, and handed back to it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from rest_framework.test import APIClient

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from agentcore_metering.adapters.django.sql_views import VERSIONS
from example.stub_provider import StubProvider, directive
from tests.django import reference_database
from tests.django.api.urls import LLM_CONFIG, LLM_USAGE
from tests.django.builders import KEY
from tests.django.factories import make_user
from tests.django.reference_database import APP, AT_0018, RELEASES, Release
from tests.django.test_migrations import OWN

CONFIG, FIRST, SECOND = (UUID(int=number) for number in (1, 2, 3))
SQUASHED = f"0001_squashed_{AT_0018}"


def migrate_to(name: str | None) -> None:
    MigrationExecutor(connection).migrate([(APP, name)])


def drop_everything() -> None:
    """Our tables and our history, whichever of them there are: quicker than the way back through every migration."""
    tables = [model._meta.db_table for model in reversed(list(apps.get_app_config(APP).get_models()))]
    with connection.cursor() as cursor:
        for views in VERSIONS.values():
            for name, _select in reversed(views):
                cursor.execute(f"DROP VIEW IF EXISTS {name}")
        there = set(connection.introspection.table_names(cursor))
        for table in [name for name in tables if name in there]:
            cursor.execute(f"DROP TABLE {table}")
        cursor.execute("DELETE FROM django_migrations WHERE app = %s", [APP])


@pytest.fixture(params=list(RELEASES))
def release(request: pytest.FixtureRequest, transactional_db: None, stub: StubProvider) -> Iterator[Release]:
    """A database of this release, with a configuration and a usage row, instead of ours."""
    drop_everything()
    found = RELEASES[request.param]
    reference_database.create(found)
    reference_database.add_config(CONFIG, model="gpt-4o-mini", api_key=KEY, api_base=stub.api_base(), vision=True)
    reference_database.add_usage(FIRST, "a", "1.234567", run_uuid="r1")
    yield found
    drop_everything()
    migrate_to(OWN[-1])


def test_database_is_taken_over_used_and_handed_back(release: Release, stub: StubProvider) -> None:
    migrate_to(OWN[-1])

    row = LLMUsage.objects.get(metadata__run_uuid="r1")
    assert (row.pk, row.cost, row.status) == (FIRST, Decimal("1.234567"), None)
    config = LLMConfig.objects.get(uuid=CONFIG)
    assert (config.config["api_key"], config.config["vision"], config.fallback) == (KEY, True, None)
    text, _usage = LLMTracker.call_and_track(messages=[{"role": "user", "content": directive(text="Hi", cost="0.5")}])
    assert text == "Hi"
    client = APIClient()
    client.force_authenticate(make_user("admin", is_staff=True))
    [shown] = client.get(LLM_CONFIG).json()
    assert KEY not in str(shown)
    assert client.put(f"{LLM_CONFIG}{CONFIG}/", {"config": shown["config"]}, format="json").status_code == 200
    assert client.get(LLM_USAGE).json()["total"] == 2

    migrate_to(SQUASHED if release.last == AT_0018 else release.last)

    assert [one["api_key"] for one in reference_database.read_configs()] == [KEY]
    assert reference_database.read_usage()[0] == ("a", "1.234567")
    reference_database.add_usage(SECOND, "z", "0.250000")
    assert [model for model, _cost in reference_database.read_usage()][-1] == "z"
    migrate_to(OWN[-1])
    assert LLMUsage.objects.get(pk=SECOND).cost == Decimal("0.25")
    assert LLMUsage.objects.count() == 3


@pytest.mark.parametrize("release", ["0.5"], indirect=True)
def test_old_workers_go_on_writing_after_the_upgrade(release: Release) -> None:
    migrate_to(OWN[-1])

    # On SQLite costs are stored in another unit, so only one of the two can write them.
    reference_database.add_usage(SECOND, "old", "0.250000" if connection.vendor == "postgresql" else "NULL")
    reference_database.add_config(UUID(int=9), model="gpt-4o", api_key="sk-written-by-an-old-worker")

    row = LLMUsage.objects.get(pk=SECOND)
    assert row.cost == (Decimal("0.25") if connection.vendor == "postgresql" else None)
    assert (row.attempt, row.cache_write_tokens, row.call_id) == (1, 0, None)
    assert LLMConfig.objects.get(uuid=UUID(int=9)).config["api_key"] == "sk-written-by-an-old-worker"
