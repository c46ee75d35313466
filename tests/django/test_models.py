from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.test import override_settings
from django.utils import timezone

from agentcore_metering.adapters.django.models import LLMConfig, LLMPrice, LLMUsage, LLMUsageSeries, MeteringConfig
from agentcore_metering.adapters.django.models.changes import generation
from agentcore_metering.adapters.django.models.querysets import set_read_hook

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def user() -> Any:
    return get_user_model().objects.create(username="caller")


@pytest.mark.parametrize(
    ("model", "table", "indexes"),
    [
        (
            LLMUsage,
            "llm_tracker_usage",
            {
                "llm_tracker_user_id_5800dd_idx",
                "llm_tracker_usage_failed_idx",
                "llm_tracker_created_60798a_idx",
                "llm_tracker_usage_call_idx",
                "llm_tracker_usage_trace_idx",
            },
        ),
        (
            LLMUsageSeries,
            "llm_usage_series",
            {
                "llm_usage_s_granula_6d2f24_idx",
                "llm_usage_s_granula_491427_idx",
                "llm_usage_series_unique_bucket_model",
            },
        ),
        (LLMConfig, "agentcore_metering_llm_config", set()),
        (
            MeteringConfig,
            "agentcore_metering_config",
            {"agentcore_m_scope_c4d6d0_idx", "agentcore_metering_config_scope_key_uniq"},
        ),
        (LLMPrice, "agentcore_metering_llm_price", set()),
    ],
)
def test_table_has_the_names_that_existing_databases_know(
    model: type[models.Model], table: str, indexes: set[str]
) -> None:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)

    assert model._meta.db_table == table
    assert model._meta.app_label == "agentcore_metering"
    assert indexes <= set(constraints)


def test_constants_are_those_that_existing_projects_use() -> None:
    assert (LLMConfig.Scope.GLOBAL, LLMConfig.Scope.USER) == ("global", "user")
    assert LLMConfig.MODEL_TYPE_LLM == "llm"
    assert LLMConfig.MODEL_TYPES == ("llm", "embedding", "image_generation", "decision")
    assert MeteringConfig.SCOPE_GLOBAL == "global"


def test_usage_made_by_hand_gets_defaults() -> None:
    before = timezone.now()

    row = LLMUsage.objects.create(model="m")

    assert row.attempt == 1
    assert row.cost is None
    assert row.status is None
    assert row.cost_currency == "USD"
    assert row.metadata == {}
    assert before <= row.created_at <= timezone.now()


def test_usage_keeps_the_time_that_it_is_given_and_the_database_adds_its_own() -> None:
    row = LLMUsage.objects.create(model="m", created_at=NOON)

    row.refresh_from_db()

    assert row.created_at == NOON
    assert row.recorded_at is not None
    assert abs(timezone.now() - row.recorded_at) < timedelta(minutes=1)


def test_insert_of_code_that_knows_the_older_schema_alone_works(user: Any) -> None:
    columns = (
        "id, user_id, model, prompt_tokens, completion_tokens, total_tokens, cached_tokens, reasoning_tokens, "
        "cost_currency, success, metadata, is_streaming, created_at"
    )
    identity = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO llm_tracker_usage ({columns}) VALUES (%s, %s, 'm', 1, 2, 3, 0, 0, 'USD', true, '{{}}', false, %s)",
            [identity if connection.vendor == "postgresql" else identity.hex, user.pk, NOON.isoformat()],
        )

    row = LLMUsage.objects.get()

    assert (row.id, row.total_tokens, row.attempt, row.cache_write_tokens) == (identity, 3, 1, 0)
    assert row.recorded_at is not None
    assert row.status is None


@pytest.mark.django_db(transaction=True)
def test_usage_of_a_user_who_does_not_exist_is_stored() -> None:
    LLMUsage.objects.create(model="m", user_id=2_000_000_000)

    assert LLMUsage.objects.get().user_id == 2_000_000_000


def test_usage_outlives_its_user(user: Any) -> None:
    LLMUsage.objects.create(model="m", user=user)

    user.delete()

    assert LLMUsage.objects.get().user_id is None


def test_config_goes_with_its_user(user: Any) -> None:
    LLMConfig.objects.create(scope="user", user=user, config={})

    user.delete()

    assert not LLMConfig.objects.exists()


def test_related_names_are_those_that_existing_projects_use(user: Any) -> None:
    usage = LLMUsage.objects.create(model="m", user=user)
    config = LLMConfig.objects.create(scope="user", user=user, config={})

    assert list(user.llm_usages.all()) == [usage]
    assert list(user.llm_configs.all()) == [config]


def test_usage_between_includes_the_start_and_excludes_the_end() -> None:
    for minutes in range(3):
        LLMUsage.objects.create(model=str(minutes), created_at=NOON + timedelta(minutes=minutes))

    def between(start: datetime | None, end: datetime | None) -> list[str]:
        return [row.model for row in LLMUsage.objects.between(start, end).order_by("created_at")]

    assert between(NOON, NOON + timedelta(minutes=2)) == ["0", "1"]
    assert between(NOON + timedelta(minutes=1), None) == ["1", "2"]
    assert between(None, NOON) == []


def test_usage_for_user_takes_an_instance_a_key_or_nobody(user: Any) -> None:
    own = LLMUsage.objects.create(model="m", user=user)
    nobodys = LLMUsage.objects.create(model="m")

    assert LLMUsage.objects.for_user(user).get() == own
    assert LLMUsage.objects.for_user(user.pk).get() == own
    assert LLMUsage.objects.for_user(None).get() == nobodys


def test_usage_priced_includes_known_zero_and_excludes_unknown() -> None:
    LLMUsage.objects.create(model="free", cost=0)
    LLMUsage.objects.create(model="unknown", cost=None)

    assert LLMUsage.objects.priced().get().model == "free"


def test_permissions_exist_after_migrating() -> None:
    codenames = set(
        Permission.objects.filter(content_type__app_label="agentcore_metering").values_list("codename", flat=True)
    )

    assert {"view_usage", "manage_config"} <= codenames


def price(**changes: Any) -> LLMPrice:
    return LLMPrice(
        **{"model_pattern": "gpt-4o*", "input_per_1m": Decimal("2.5"), "output_per_1m": Decimal(10), **changes}
    )


def test_price_is_kept_exactly() -> None:
    made = price(cache_read_per_1m="0.000000000001", source="contract 7")
    made.full_clean()
    made.save()

    stored = LLMPrice.objects.get()

    assert (stored.input_per_1m, stored.cache_read_per_1m) == (Decimal("2.5"), Decimal("1e-12"))
    assert (stored.reasoning_per_1m, stored.valid_to, stored.currency) == (None, None, "USD")
    assert stored.valid_from is not None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"input_per_1m": Decimal(-1)}, "input_per_1m"),
        ({"reasoning_per_1m": Decimal("-1e-12")}, "reasoning_per_1m"),
        ({"valid_from": NOON, "valid_to": NOON}, "valid_to"),
        ({"currency": "usd"}, "currency"),
        ({"currency": "US"}, "currency"),
        ({"model_pattern": ""}, "model_pattern"),
        ({"input_per_1m": None}, "input_per_1m"),
    ],
)
def test_impossible_price_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as raised:
        price(**changes).full_clean()

    assert set(raised.value.message_dict) == {field}


def test_price_may_hold_since_ever() -> None:
    price(valid_from=None, valid_to=NOON).full_clean()


def test_prices_come_newest_first_and_since_ever_last() -> None:
    for valid_from in (None, NOON, NOON + timedelta(days=1)):
        price(valid_from=valid_from).save()

    assert [row.valid_from for row in LLMPrice.objects.all()] == [NOON + timedelta(days=1), NOON, None]


@pytest.mark.parametrize(
    "row",
    [
        LLMUsage(model="m", total_tokens=3, created_at=NOON),
        LLMUsageSeries(granularity="hour", bucket=NOON, model="m"),
        LLMConfig(scope="global", provider="openai", config={"api_key": "sk-canary"}),
        MeteringConfig(key="retention_days"),
        price(),
    ],
    ids=lambda row: type(row).__name__,
)
def test_row_says_what_it_is_without_secrets(row: models.Model) -> None:
    assert str(row)
    assert "canary" not in repr(row)


class ReadsElsewhere:
    """A host's router with a replica, which is away: whoever asks it fails."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        return "default"


@pytest.mark.parametrize(
    "write",
    [
        lambda: LLMConfig.objects.filter(provider="openai").update(is_active=False),
        lambda: LLMConfig.objects.filter(provider="openai").delete(),
        lambda: LLMConfig.objects.bulk_create([LLMConfig(scope="global")]),
        lambda: LLMPrice.objects.filter(currency="USD").update(source="a contract"),
        lambda: LLMPrice.objects.filter(currency="USD").delete(),
        lambda: LLMPrice.objects.bulk_create([LLMPrice(model_pattern="m", input_per_1m=1, output_per_1m=1)]),
    ],
    ids=["update configs", "delete configs", "make configs", "update prices", "delete prices", "make prices"],
)
def test_bulk_writes_ask_the_database_that_is_written(write: Callable[[], Any]) -> None:
    LLMConfig.objects.create(scope="global")
    table = LLMConfig._meta.db_table
    before = generation(table), generation(LLMPrice._meta.db_table)

    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ReadsElsewhere"]):
        write()

    assert (generation(table), generation(LLMPrice._meta.db_table)) != before


@pytest.mark.parametrize(
    "write", [lambda: LLMUsage.objects.filter(model="m").update(attempt=2), lambda: LLMUsage.objects.all().delete()]
)
def test_writes_to_usage_wait_for_rows_on_their_way_to_the_database_that_is_written(write: Callable[[], Any]) -> None:
    waited: list[str] = []
    set_read_hook(waited.append)
    try:
        with override_settings(DATABASE_ROUTERS=[f"{__name__}.ReadsElsewhere"]):
            write()
    finally:
        set_read_hook(None)

    assert set(waited) == {"default"}
