"""`metering_prices`, `metering_reprice` and `metering_audit_costs` as somebody at a terminal sees them."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from agentcore_metering.adapters.django.models import LLMUsage
from tests.django.persistence.test_repricing import make_operator_price, make_row

pytestmark = pytest.mark.django_db

DAY = ("--from", "2026-11-24", "--to", "2026-11-26")


def run(*arguments: str) -> tuple[str, str]:
    stdout, stderr = StringIO(), StringIO()
    call_command(*arguments, stdout=stdout, stderr=stderr)
    return stdout.getvalue(), stderr.getvalue()


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json")[0])


def test_prices_of_a_model_name_each_class_its_source_and_version() -> None:
    (quote,) = run_json("metering_prices", "--model", "gpt-4o-mini", "--provider", "openai")[:1]

    assert (quote["source"], quote["currency"], quote["tier"], quote["reason"]) == (
        "price_map",
        "USD",
        "standard",
        "gpt-4o-mini",
    )
    assert (quote["per_1m"]["input"], quote["per_1m"]["cache_read"], quote["per_1m"]["output"]) == (
        "0.15",
        "0.075",
        "0.6",
    )
    assert quote["charged_as"]["reasoning"] == "output"
    assert quote["version"].startswith("litellm ")


def test_prices_of_a_model_name_its_tiers_and_lengths() -> None:
    quotes = run_json("metering_prices", "--model", "gemini-2.5-pro", "--provider", "gemini")

    by_tier = {quote["tier"]: quote["per_1m"]["input"] for quote in quotes}
    assert by_tier["standard"] == "1.25"
    assert by_tier["above_200k"] == "2.5"
    assert by_tier["flex"] == "0.625"


def test_prices_say_that_the_operators_price_wins() -> None:
    make_operator_price(provider="openai")

    (quote, *_others) = run_json("metering_prices", "--model", "gpt-4o-mini", "--provider", "openai")

    assert (quote["source"], quote["currency"], quote["reason"]) == ("operator", "CNY", "openai gpt-4o-mini*")
    assert quote["per_1m"]["input"] == "1"


@pytest.mark.parametrize(
    ("model", "provider", "why"),
    [
        ("gpt-4o-mini", "openai_compatible", "a gateway is never charged"),
        ("nobody-knows-me", "openai", "the map has no such model"),
    ],
)
def test_prices_say_why_there_is_none(model: str, provider: str, why: str) -> None:
    stdout, _ = run("metering_prices", "--model", model, "--provider", provider)

    assert f"{provider} {model}: no price" in stdout
    assert why in stdout


def test_prices_of_azure_are_those_of_the_model_that_answers() -> None:
    (quote, *_others) = run_json("metering_prices", "--model", "gpt-4o-mini", "--provider", "azure_openai")

    assert quote["reason"] == "azure/gpt-4o-mini"


def test_prices_of_a_model_with_another_providers_prefix_are_that_ones() -> None:
    (quote, *_others) = run_json("metering_prices", "--model", "groq/openai/gpt-oss-20b", "--provider", "openai")

    assert quote["reason"] == "groq/openai/gpt-oss-20b"


def test_prices_by_the_second_are_shown() -> None:
    stdout, _ = run("metering_prices", "--model", "whisper-1", "--provider", "openai")

    assert "seconds           0.0001 each" in stdout


def test_prices_without_a_model_are_of_those_called_lately() -> None:
    assert "No model was called" in run("metering_prices")[0]
    make_row()
    LLMUsage.objects.update(created_at=timezone.now())

    stdout, _ = run("metering_prices")

    assert "openai gpt-4o-mini: standard, USD, by price_map" in stdout


def test_reprice_prints_totals() -> None:
    make_row(1)
    make_row(2)
    make_operator_price()

    stdout, stderr = run("metering_reprice", *DAY, "--batch-size", "1")

    assert stdout.splitlines() == [
        "2 changed",
        "CNY: 0.000000000000 -> 0.002000000000",
        "USD: 0.000300000000 -> 0.000000000000",
    ]
    assert stderr == ""


def test_reprice_dry_run_changes_nothing() -> None:
    make_row()
    make_operator_price()

    facts = run_json("metering_reprice", *DAY, "--dry-run")

    assert facts == {
        "dry_run": True,
        "rows": {"changed": 1},
        "totals": {
            "CNY": {"before": "0.000000000000", "after": "0.001000000000"},
            "USD": {"before": "0.000150000000", "after": "0.000000000000"},
        },
    }
    assert LLMUsage.objects.get().cost_currency == "USD"
    assert run("metering_reprice", *DAY, "--dry-run")[0].startswith("Would be: 1 changed")


def test_reprice_needs_a_period() -> None:
    with pytest.raises(CommandError, match="--from"):
        run("metering_reprice")


@pytest.mark.parametrize("arguments", [("--from", "yesterday", "--to", "2026-11-26"), (*DAY, "--batch-size", "0")])
def test_reprice_refuses_what_it_cannot_read(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run("metering_reprice", *arguments)


def test_audit_of_sound_rows_ends_well() -> None:
    make_row()

    assert run("metering_audit_costs")[0] == "1 proved\n"
    assert run_json("metering_audit_costs", *DAY) == {"rows": {"proved": 1}, "differences": []}


def test_audit_ends_with_1_where_a_cost_differs() -> None:
    row_id = make_row()
    LLMUsage.objects.update(cost=Decimal("0.0002"))
    stdout = StringIO()

    with pytest.raises(CommandError, match="1 costs differ") as ended:
        call_command("metering_audit_costs", stdout=stdout)

    assert ended.value.returncode == 1
    assert f"{row_id}: stored 0.000200000000, computed 0.000150000000" in stdout.getvalue()


def test_audit_is_strict_about_older_rows_only_where_asked() -> None:
    make_row()
    LLMUsage.objects.update(price_snapshot=None, cost_source=None)

    assert run("metering_audit_costs")[0] == "1 without_prices\n"
    with pytest.raises(CommandError, match="1 have no prices"):
        call_command("metering_audit_costs", "--strict", stdout=StringIO())
