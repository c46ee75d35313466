"""Prices in the admin: entered, told apart, replaced without a gap or an overlap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from agentcore_metering.adapters.django.models import LLMPrice
from tests.django.admin.pages import client_of, text_of, url

pytestmark = pytest.mark.django_db

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def make_price(**fields: Any) -> LLMPrice:
    known = {"provider": "openai", "model_pattern": "gpt-4o*", "input_per_1m": "2.5", "output_per_1m": 10}
    return LLMPrice.objects.create(**{**known, "valid_from": NEW_YEAR, **fields})


def form(**fields: Any) -> dict[str, Any]:
    """What a browser sends for a new price."""
    known = {
        "provider": "openai",
        "model_pattern": "gpt-4o*",
        "above_input_tokens": "0",
        "currency": "USD",
        "input_per_1m": "2.5",
        "output_per_1m": "10",
        "valid_from_0": "2026-03-01",
        "valid_from_1": "00:00:00",
    }
    return {**known, **fields}


def errors_of(response: Any) -> dict[str, str]:
    assert response.status_code == 200, "the form was accepted"
    errors = response.context["adminform"].form.errors
    return {name: " ".join(str(text) for text in texts) for name, texts in errors.items()}


def test_a_price_is_stored_exactly(admin: Client) -> None:
    response = admin.post(url("llmprice", "add"), form(input_per_1m="0.000000000001", currency="cny"))

    price = LLMPrice.objects.get()
    assert response.status_code == 302
    assert (price.input_per_1m, price.currency) == (Decimal("1E-12"), "CNY")


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ({"input_per_1m": "-1"}, "input_per_1m", "negative"),
        ({"per_image": "-1"}, "per_image", "negative"),
        ({"input_per_1m": ""}, "input_per_1m", "required"),
        ({"input_per_1m": "0.0000000000001"}, "input_per_1m", "12 decimal places"),
        ({"input_per_1m": "NaN"}, "input_per_1m", "number"),
        ({"currency": "dollar"}, "currency", "3 characters"),
        ({"currency": "U1"}, "currency", "ISO 4217"),
        ({"valid_to_0": "2026-02-01", "valid_to_1": "00:00"}, "valid_to", "later"),
        ({"model_pattern": ""}, "model_pattern", "required"),
        ({"valid_from_0": "2026-01-01"}, "valid_from", "begins at the same time"),
        ({"replaces": "4711"}, "replaces", "valid choice"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_beside_its_field(admin: Client, fields: dict[str, str], name: str, words: str) -> None:
    make_price()

    errors = errors_of(admin.post(url("llmprice", "add"), form(**fields)))

    assert set(errors) == {name}
    assert words in errors[name]


def test_figures_are_shown_without_zeros_that_fill_the_column(admin: Client) -> None:
    price = make_price(per_web_search="0.01")

    page = admin.get(url("llmprice", "change", price.pk)).content.decode()

    assert 'value="2.5"' in page
    assert 'value="0.01"' in page
    assert "OpenAI - 2.5 10 USD" in text_of(admin.get(url("llmprice")))


def test_saving_a_page_as_it_is_changes_nothing(admin: Client) -> None:
    price = make_price(cache_read_per_1m="1.25", service_tier="flex", valid_from=None)
    before = facts()
    form_of_page = admin.get(url("llmprice", "change", price.pk)).context["adminform"].form
    sent = {name: value for name in form_of_page.fields if (value := form_of_page[name].value()) is not None}

    assert admin.post(url("llmprice", "change", price.pk), sent).status_code == 302

    assert facts() == before


def facts() -> dict[str, Any]:
    return {name: value for name, value in LLMPrice.objects.values().get().items() if name != "updated_at"}


def test_a_price_is_replaced_from_a_moment_on(admin: Client) -> None:
    old = make_price(cache_read_per_1m="1.25")
    page = admin.get(url("llmprice", "change", old.pk))
    replace_url = page.context["replace_url"]

    offered = admin.get(replace_url).context["adminform"].form
    assert (offered["model_pattern"].value(), offered["cache_read_per_1m"].value()) == ("gpt-4o*", Decimal("1.25"))
    assert admin.post(replace_url, form(replaces=str(old.pk), input_per_1m="3")).status_code == 302

    old.refresh_from_db()
    new = LLMPrice.objects.exclude(pk=old.pk).get()
    assert old.valid_to == new.valid_from == datetime(2026, 3, 1, tzinfo=UTC)
    assert (old.input_per_1m, new.input_per_1m) == (Decimal("2.5"), Decimal(3))
    assert f"Replaced by price {new.pk}." in [entry.get_change_message() for entry in LogEntry.objects.all()]


@pytest.mark.parametrize(
    ("old", "words"),
    [
        ({"valid_from": datetime(2026, 4, 1, tzinfo=UTC)}, "later than the one"),
        ({"valid_to": datetime(2026, 2, 1, tzinfo=UTC)}, "ended before"),
    ],
)
def test_a_successor_must_follow_its_predecessor(admin: Client, old: dict[str, Any], words: str) -> None:
    price = make_price(**old)

    errors = errors_of(admin.post(url("llmprice", "add"), form(replaces=str(price.pk))))

    assert words in errors["valid_from"]


def test_replacing_needs_the_right_to_change(admin: Client) -> None:
    old = make_price()
    client = client_of("carol", "add_llmprice", "view_llmprice")

    assert "replace_url" not in client.get(url("llmprice", "change", old.pk)).context
    client.post(url("llmprice", "add"), form(replaces=str(old.pk)))

    old.refresh_from_db()
    assert old.valid_to is None


def test_a_price_that_has_ended_is_not_offered_for_replacement(admin: Client) -> None:
    old = make_price(valid_to=timezone.now() - timedelta(days=1))

    assert "replace_url" not in admin.get(url("llmprice", "change", old.pk)).context


@pytest.mark.parametrize(
    ("query", "models"),
    [
        ({"validity": "now"}, {"now", "ever"}),
        ({"validity": "future"}, {"later"}),
        ({"validity": "past"}, {"over"}),
        ({"validity": "no such"}, {"now", "ever", "later", "over"}),
        ({"provider": "-"}, {"ever"}),
        ({"provider": "openai"}, {"now", "later", "over"}),
        ({"provider": "\x00"}, set()),
        ({"currency": "CNY"}, {"over"}),
        ({"q": "ov"}, {"over"}),
    ],
    ids=str,
)
def test_each_filter_shows_its_prices(admin: Client, query: dict[str, str], models: set[str]) -> None:
    now = timezone.now()
    make_price(model_pattern="now")
    make_price(model_pattern="ever", provider="", valid_from=None)
    make_price(model_pattern="later", valid_from=now + timedelta(days=1))
    make_price(model_pattern="over", valid_to=now - timedelta(days=1), currency="CNY")

    found = admin.get(url("llmprice"), query).context["cl"].result_list

    assert {price.model_pattern for price in found} == models
