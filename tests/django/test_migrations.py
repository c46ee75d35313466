from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import StateApps
from django.test import override_settings

from agentcore_metering.adapters.django import migrations
from agentcore_metering.adapters.django.checks.history import REFERENCE_MIGRATIONS
from agentcore_metering.adapters.django.config import sealing
from agentcore_metering.adapters.django.fields import ExactSum
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage, LLMUsageSeries, UserTotalRollup
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.core.errors import SecretUnavailable
from tests import settings as test_settings

APP = "agentcore_metering"
AT_0018 = "0001_squashed_0018_alter_llmusageseries_options_and_more"
AT_0020 = "0020_llmconfig_fallback"
NODE_0018 = (APP, "0018_alter_llmusageseries_options_and_more")
OWN = sorted(path.stem for path in Path(migrations.__path__[0]).glob("01??_*.py"))
"""Ours, in their order; the reference's numbers end below them."""
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)

Migrate = Callable[[str], StateApps]

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL's storage")


@pytest.fixture
def migrate(transactional_db: None) -> Iterator[Migrate]:
    """Migrates our app to a name and returns the models of that time; afterwards everything is at its newest again."""

    def to(name: str | None, app: str = APP) -> StateApps:
        executor = MigrationExecutor(connection)
        return executor.migrate([(app, name)]).apps

    yield to
    for model in (LLMUsage, LLMUsageSeries, LLMConfig):
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
    to(OWN[-1])


def seed_usage(apps: StateApps, *costs: str | None) -> None:
    usage = apps.get_model(APP, "LLMUsage")
    for number, cost in enumerate(costs):
        usage.objects.create(model=f"m{number}", total_tokens=number, cost=None if cost is None else Decimal(cost))


def usage_costs(model: Any) -> list[Decimal | None]:
    return list(model.objects.order_by("total_tokens").values_list("cost", flat=True))


def decimals(*costs: str | None) -> list[Decimal | None]:
    return [None if cost is None else Decimal(cost) for cost in costs]


def test_costs_of_a_database_at_0018_survive_forwards_and_backwards(migrate: Migrate) -> None:
    costs = ("0.000001", "0.1", "3", "123456.789012", "0", "-0.25", None)
    old = migrate(AT_0018)
    seed_usage(old, *costs)
    old.get_model(APP, "LLMUsageSeries").objects.create(
        granularity="hour", bucket=NOON, model="m", total_cost=Decimal("0.3")
    )

    migrate(OWN[-1])

    assert usage_costs(LLMUsage) == decimals(*costs)
    assert LLMUsageSeries.objects.get().total_cost == Decimal("0.3")
    assert LLMUsage.objects.aggregate(total=ExactSum("cost"))["total"] == Decimal("123459.639013")

    old = migrate(AT_0018)

    assert usage_costs(old.get_model(APP, "LLMUsage")) == decimals(*costs)
    assert old.get_model(APP, "LLMUsageSeries").objects.get().total_cost == Decimal("0.3")


def test_costs_of_a_database_at_0020_survive_forwards_and_backwards(migrate: Migrate) -> None:
    costs = ("0.000000000001", "0.000000123457", "1.000000000001", "999999", "42.123456789012")
    seed_usage(migrate(AT_0020), *costs)

    migrate(OWN[-1])

    assert usage_costs(LLMUsage) == decimals(*costs)

    old = migrate(AT_0020)

    assert usage_costs(old.get_model(APP, "LLMUsage")) == decimals(*costs)


def test_rows_from_before_the_columns_do_not_claim_to_know_them(migrate: Migrate) -> None:
    seed_usage(migrate(AT_0020), "1")

    migrate(OWN[-1])
    LLMUsage.objects.create(model="new", total_tokens=1)
    old, new = LLMUsage.objects.order_by("total_tokens")

    assert (old.recorded_at, old.status, old.call_id) == (None, None, None)
    assert (old.attempt, old.cache_write_tokens) == (1, 0)
    assert new.recorded_at is not None


def stored_configs() -> list[dict[str, Any]]:
    """The configurations as they lie in the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(config AS text) FROM agentcore_metering_llm_config ORDER BY id")
        return [json.loads(text) for (text,) in cursor.fetchall()]


@pytest.mark.parametrize("is_deferred", [False, True])
def test_plain_keys_are_sealed_unless_deferred_stay_readable_and_are_plain_on_the_way_back(
    migrate: Migrate, is_deferred: bool
) -> None:
    old = migrate(AT_0020)
    old.get_model(APP, "LLMConfig").objects.create(scope="global", config={"model": "m", "api_key": "sk-before"})

    with override_settings(AGENTCORE_METERING_DEFER_ENCRYPTION=is_deferred):
        migrate(OWN[-1])
    LLMConfig.objects.create(scope="global", config={"model": "m", "api_key": "sk-after"})
    before, after = stored_configs()

    assert [config["api_key"] for config in LLMConfig.objects.values_list("config", flat=True)] == [
        "sk-before",
        "sk-after",
    ]
    assert set(before) == ({"model", "api_key"} if is_deferred else {"model", "__secrets__"})
    assert set(after) == {"model", "__secrets__"}

    old = migrate(AT_0020)

    assert stored_configs() == [{"model": "m", "api_key": "sk-before"}, {"model": "m", "api_key": "sk-after"}]


def test_sealing_of_plain_keys_goes_on_where_it_was_stopped(migrate: Migrate, monkeypatch: pytest.MonkeyPatch) -> None:
    model = migrate(AT_0020).get_model(APP, "LLMConfig")
    for number in range(5):
        model.objects.create(scope="global", config={"api_key": f"sk-{number}"})
    real_form = sealing.stored_form
    done: list[Any] = []

    def form_that_dies(config: Any, row: Any) -> Any:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(row)
        return real_form(config, row)

    monkeypatch.setattr(sealing, "stored_form", form_that_dies)
    monkeypatch.setattr(sealing.seal_rows, "__kwdefaults__", {**sealing.seal_rows.__kwdefaults__, "batch_size": 2})
    with pytest.raises(KeyboardInterrupt):
        migrate(OWN[-1])
    assert ["api_key" in config for config in stored_configs()] == [False, False, True, True, True]

    monkeypatch.setattr(sealing, "stored_form", real_form)
    migrate(OWN[-1])

    assert not any("api_key" in config for config in stored_configs())
    assert [row.config["api_key"] for row in LLMConfig.objects.order_by("id")] == [
        f"sk-{number}" for number in range(5)
    ]


def test_way_back_stops_at_a_secret_that_cannot_be_opened(migrate: Migrate) -> None:
    with override_settings(SECRET_KEY="a key that is lost"):
        LLMConfig.objects.create(scope="global", config={"api_key": "sk-after"})

    with pytest.raises(SecretUnavailable, match="cannot be migrated back"):
        migrate(AT_0020)

    migrate(OWN[-1])
    assert LLMConfig.objects.exists()


def test_way_back_makes_the_foreign_key_true_again(migrate: Migrate) -> None:
    LLMUsage.objects.create(model="m", user_id=2_000_000_000)

    old = migrate(AT_0020)

    assert old.get_model(APP, "LLMUsage").objects.get().user_id is None
    connection.check_constraints(["llm_tracker_usage"])


@on_postgresql
def test_exact_costs_rewrite_no_table_on_postgresql(migrate: Migrate) -> None:
    def files() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relfilenode FROM pg_class WHERE relname IN ('llm_tracker_usage', 'llm_usage_series') ORDER BY 1"
            )
            return list(cursor.fetchall())

    seed_usage(migrate(AT_0020), "0.000000000001")
    before = files()

    migrate(OWN[0])

    assert files() == before


@pytest.fixture
def dependent_app(settings: Any) -> None:
    settings.INSTALLED_APPS = [*test_settings.INSTALLED_APPS, "tests.django.dependent_app"]


def test_dependent_apps_rows_keep_their_usage_through_an_upgrade(migrate: Any, dependent_app: None) -> None:
    old = migrate(AT_0018)
    apps = migrate("0001_initial", app="dependent_app")
    seed_usage(old, "0.1")
    apps.get_model("dependent_app", "Approval").objects.create(usage_id=LLMUsage.objects.values_list("pk").get()[0])

    migrate(OWN[-1])

    approval = apps.get_model("dependent_app", "Approval").objects.get()
    assert LLMUsage.objects.get(pk=approval.usage_id).cost == Decimal("0.1")
    connection.check_constraints()
    migrate(None, app="dependent_app")


@pytest.mark.parametrize(
    ("applied", "planned"),
    [
        ((), [AT_0018, "0019_increase_cost_precision", AT_0020, *OWN]),
        (REFERENCE_MIGRATIONS, ["0019_increase_cost_precision", AT_0020, *OWN]),
        ((*REFERENCE_MIGRATIONS, "0019_increase_cost_precision", AT_0020), OWN),
    ],
    ids=["fresh", "at_0018", "at_0020"],
)
@pytest.mark.django_db
def test_history_is_continued_and_a_foreign_dependency_on_0018_resolves(
    dependent_app: None, applied: tuple[str, ...], planned: list[str]
) -> None:
    record_history(applied)

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())

    assert [migration.name for migration, _backwards in plan if migration.app_label == APP] == planned
    assert (APP, AT_0018) in executor.loader.graph.nodes
    assert NODE_0018 not in executor.loader.graph.nodes
    assert (APP, AT_0018) in executor.loader.graph.node_map[("dependent_app", "0001_initial")].parents
    assert history_errors(databases=["default"]) == []


def history_errors(**kwargs: Any) -> list[CheckMessage]:
    """What the checks say of the migrations; a test host's other settings have checks of their own."""
    return [message for message in run_checks(**kwargs) if message.id == "agentcore_metering.E001"]


def record_history(applied: tuple[str, ...]) -> None:
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app=APP).delete()
    for name in applied:
        recorder.record_applied(APP, name)


def test_fresh_database_is_one_that_the_reference_finds_complete(db: None) -> None:
    applied = {name for app, name in MigrationRecorder(connection).applied_migrations() if app == APP}

    assert {*REFERENCE_MIGRATIONS, "0019_increase_cost_precision", AT_0020} <= applied


def test_replaced_names_are_those_that_the_check_looks_for() -> None:
    migration = MigrationLoader(None).disk_migrations[(APP, AT_0018)]

    assert migration.replaces == [(APP, name) for name in REFERENCE_MIGRATIONS]


@pytest.mark.django_db
def test_half_migrated_database_is_an_error_that_says_what_to_do() -> None:
    record_history(REFERENCE_MIGRATIONS[:10])

    (error,) = history_errors(databases=["default"])

    assert REFERENCE_MIGRATIONS[10] in error.msg
    assert REFERENCE_MIGRATIONS[-1] in str(error.hint)


@pytest.mark.django_db
def test_half_migrated_database_is_not_migrated_even_where_checks_are_skipped() -> None:
    record_history(REFERENCE_MIGRATIONS[:10])

    with pytest.raises(CommandError, match="0011_llmconfig_is_default"):
        call_command("migrate", verbosity=0)


def test_checks_without_a_database_ask_none() -> None:
    assert history_errors() == []


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", APP, check=True, dry_run=True, verbosity=0)


UUID_HOST = """
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a host's key",
    USE_TZ=True,
    INSTALLED_APPS=["tests.django.uuid_user_app", "agentcore_metering.adapters.django"],
    AUTH_USER_MODEL="uuid_user_app.Member",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()

from django.core.management import call_command

call_command("migrate", verbosity=0)

from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from tests.django.uuid_user_app.models import Member

member = Member.objects.create(name="owner")
LLMUsage.objects.create(model="m", user=member)
LLMConfig.objects.create(scope="user", user=member, config={"api_key": "sk-own"})
assert LLMUsage.objects.for_user(member.pk).get().user == member
assert LLMConfig.objects.get(user=member).config == {"api_key": "sk-own"}
call_command("migrate", "agentcore_metering", "0020", verbosity=0)
call_command("migrate", "agentcore_metering", "zero", verbosity=0)
"""


def test_host_with_uuid_users_migrates_forwards_and_backwards() -> None:
    finished = subprocess.run([sys.executable, "-c", UUID_HOST], capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr


def test_indexes_of_older_code_return_on_the_way_back(migrate: Migrate) -> None:
    older = {"llm_tracker_model_534b34_idx", "llm_tracker_total_t_f8ac69_idx", "llm_tracker_success_3cd796_idx"}

    def indexes() -> set[str]:
        with connection.cursor() as cursor:
            return set(connection.introspection.get_constraints(cursor, LLMUsage._meta.db_table))

    assert not older & indexes()

    migrate("0106_prices_and_cost_changes")

    assert older <= indexes()


def test_sums_of_each_user_are_filled_from_those_that_are_there(migrate: Migrate) -> None:
    now = datetime(2026, 3, 10, tzinfo=UTC)
    for number, status in enumerate(("succeeded", "succeeded", "failed", "cancelled")):
        began = now - timedelta(days=40, seconds=9)
        times = {"started_at": began, "first_chunk_at": began, "created_at": began + timedelta(seconds=number)}
        LLMUsage.objects.create(
            model=f"m{number}", user_id=number % 2, status=status, cost="0.1", is_streaming=True, **times
        )
    refresh("default", now=now)
    columns = [field.attname for field in UserTotalRollup._meta.concrete_fields if not field.primary_key]
    before = sorted(UserTotalRollup.objects.values_list(*columns), key=repr)

    migrate("0150_config_change_cascade")
    migrate("0160_user_totals")

    assert len(before) == 6  # two users; a day, five days and a month
    assert sorted(UserTotalRollup.objects.values_list(*columns), key=repr) == before
