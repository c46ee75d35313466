"""A call asks the database rarely, sees this process's changes at once, and survives without a database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.test import override_settings
from pytest_django import Settings

from agentcore_metering.adapters.django.config import cache as cache_module
from agentcore_metering.adapters.django.config.cache import ConfigCache, PriceRefresher
from agentcore_metering.adapters.django.config.freshness import Freshness
from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.models import LLMConfig, LLMPrice
from agentcore_metering.core.errors import ConfigNotFound, SecretUnavailable
from agentcore_metering.core.types import ConfigScope, ResponseFacts
from tests.django.builders import make_user
from tests.fakes import NOON, make_target

pytestmark = pytest.mark.django_db

KEY = "gateway-key-4711-not-shaped-like-one"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> ConfigCache:
    return ConfigCache(Freshness(LLMConfig._meta.db_table, clock))


def make_config(model: str = "first", **fields: Any) -> LLMConfig:
    return LLMConfig.objects.create(scope="global", config={"model": model, "api_key": KEY}, **fields)


def model_of(cache: ConfigCache, user_id: Any = None) -> Any:
    return cache.resolve(user_id, None).options["model"]


def test_a_second_call_asks_nothing_and_gets_the_same(cache: ConfigCache, django_assert_num_queries: Any) -> None:
    make_config()
    first = cache.resolve(None, None)

    with django_assert_num_queries(0):
        second = cache.resolve(None, None)

    assert second == first
    assert (second.options["api_key"], second.secrets) == (KEY, (KEY,))


def test_no_secret_is_kept_in_clear(cache: ConfigCache) -> None:
    make_config()
    cache.resolve(None, None)

    assert KEY not in repr(cache._entries)


@pytest.mark.parametrize("how", ["save", "update", "delete", "queryset delete", "create", "bulk_create"])
def test_a_change_by_this_process_is_seen_at_once(cache: ConfigCache, how: str) -> None:
    row = make_config()
    make_config("second")
    assert model_of(cache) == "first"

    if how == "save":
        row.is_active = False
        row.save()
    elif how == "update":
        LLMConfig.objects.filter(pk=row.pk).update(is_active=False)
    elif how == "delete":
        row.delete()
    elif how == "queryset delete":
        LLMConfig.objects.filter(pk=row.pk).delete()
    elif how == "create":
        make_config("second", is_default=True)
    else:
        LLMConfig.objects.bulk_create(
            [LLMConfig(scope="global", config={"model": "second", "api_key": KEY}, is_default=True)]
        )

    assert model_of(cache) == "second"


def test_a_change_by_another_process_is_seen_after_half_a_minute(cache: ConfigCache, clock: Clock) -> None:
    row = make_config()
    model_of(cache)
    row.config = {**row.config, "model": "second"}
    super(LLMConfig, row).save_base()  # as another process writes: nothing in this one notes it

    clock.now_s = 29.9
    assert model_of(cache) == "first"
    clock.now_s = 30.0
    assert model_of(cache) == "second"


@pytest.mark.django_db(transaction=True)
def test_a_copy_read_inside_a_transaction_is_given_up_at_its_commit(cache: ConfigCache) -> None:
    row = make_config()
    with transaction.atomic():
        row.config = {**row.config, "model": "second"}
        row.save()
        assert model_of(cache) == "second"
        LLMConfig.objects.filter(pk=row.pk)

    assert model_of(cache) == "second"


def test_users_and_names_have_entries_of_their_own(cache: ConfigCache) -> None:
    user = make_user()
    make_config()
    LLMConfig.objects.create(scope="user", user=user, config={"model": "own", "api_key": KEY})

    assert [model_of(cache), model_of(cache, user.pk), model_of(cache, user.pk + 1), model_of(cache, str(user.pk))] == [
        "first",
        "own",
        "first",
        "own",
    ]


def test_without_a_database_the_copy_serves_for_an_hour(
    cache: ConfigCache, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_config()
    model_of(cache)

    def away(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(cache_module, "resolve_config", away)

    clock.now_s = 3599.0
    assert model_of(cache) == "first"
    assert "is a copy" in caplog.text
    clock.now_s = 3600.0
    with pytest.raises(OperationalError):
        model_of(cache)


def test_without_a_database_an_unknown_caller_is_told(cache: ConfigCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(cache_module, "resolve_config", away)

    with pytest.raises(OperationalError):
        model_of(cache)


def test_nothing_found_is_not_remembered(cache: ConfigCache) -> None:
    with pytest.raises(ConfigNotFound):
        model_of(cache)
    make_config()

    assert model_of(cache) == "first"


def test_settings_are_read_when_they_are_used(cache: ConfigCache) -> None:
    for model in ("one", "two"):
        with override_settings(
            AGENTCORE_METERING_LLM={"provider": "openai", "config": {"model": model, "api_key": "k"}}
        ):
            config = cache.resolve(None, None)
        assert (config.options["model"], config.scope) == (model, ConfigScope.SETTINGS)


def test_the_longest_unused_entry_goes_first(cache: ConfigCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_ENTRIES", 2)
    make_config()

    for user_id in (1, 2, 3):
        model_of(cache, user_id)

    assert [key[0] for key in cache._entries] == ["2", "3"]


def test_prices_are_read_when_due_and_survive_the_database(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    prices = OperatorPrices()
    refresher = PriceRefresher(prices, Freshness(LLMPrice._meta.db_table, clock))
    LLMPrice.objects.create(model_pattern="gpt*", input_per_1m=1, output_per_1m=1, valid_from=None)
    refresher.refresh_if_due()
    assert prices.price_of(make_target(), ResponseFacts(), NOON) is not None

    with django_assert_num_queries(0):
        refresher.refresh_if_due()

    LLMPrice.objects.all().delete()
    refresher.refresh_if_due()
    assert prices.price_of(make_target(), ResponseFacts(), NOON) is None

    def away() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(prices, "refresh", away)
    clock.now_s = 100.0
    refresher.refresh_if_due()


def test_configuration_that_cannot_be_opened_says_so_each_time(cache: ConfigCache, settings: Settings) -> None:
    make_config()
    settings.SECRET_KEY = "quite another one, and long enough"

    for _call in range(2):
        config = cache.resolve(None, None)
        with pytest.raises(SecretUnavailable):
            config.options["api_key"]


@pytest.mark.parametrize("is_named", [False, True])
def test_a_database_that_is_away_is_asked_again_every_few_seconds_and_not_by_each_call(
    cache: ConfigCache, clock: Clock, monkeypatch: pytest.MonkeyPatch, is_named: bool
) -> None:
    row = make_config()
    named = row.uuid if is_named else None
    cache.resolve(None, None)
    cache.resolve(None, named)
    asked: list[float] = []

    def away(*args: Any, **kwargs: Any) -> Any:
        asked.append(clock.now_s)
        raise OperationalError("gone")

    monkeypatch.setattr(cache_module, "resolve_config", away)

    for clock.now_s in (30.0, 30.5, 34.0, 35.0, 39.0, 41.0):
        assert model_of(cache) == "first"
        assert cache.resolve(None, named).options["model"] == "first"

    assert asked == [30.0, 35.0, 41.0]


def test_prices_of_a_database_that_is_away_are_asked_for_again_every_few_seconds(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = OperatorPrices()
    refresher = PriceRefresher(prices, Freshness(LLMPrice._meta.db_table, clock))
    refresher.refresh_if_due()
    asked: list[float] = []

    def away() -> None:
        asked.append(clock.now_s)
        raise OperationalError("gone")

    monkeypatch.setattr(prices, "refresh", away)

    for clock.now_s in (30.0, 30.5, 34.0, 35.0, 39.0, 41.0):
        refresher.refresh_if_due()

    assert asked == [30.0, 35.0, 41.0]


def test_a_change_by_this_process_is_seen_although_the_database_was_away_just_now(
    cache: ConfigCache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_config()
    model_of(cache)
    clock.now_s = 30.0
    with monkeypatch.context() as patched:
        patched.setattr(cache_module, "resolve_config", lambda *args, **kwargs: (_ for _ in ()).throw(OperationalError))
        model_of(cache)

    row.config = {"model": "second", "api_key": KEY}
    row.save()

    assert model_of(cache) == "second"
