from __future__ import annotations

import csv
import io
import json
import tracemalloc
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from agentcore_metering.adapters.django.api.serializers.usage import UsageDetailSerializer
from agentcore_metering.adapters.django.exports import FORMATS, begin_export
from agentcore_metering.adapters.django.exports.columns import COLUMNS
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.stats import UsageFilter, parse_usage_filter
from tests.django.exports.test_reading import make_full_usage
from tests.django.factories import NOON, make_usage

pytestmark = pytest.mark.django_db

HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=cmd|' /C calc'!A0",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
]
HARMLESS = ["gpt-4o", " =1", "a=b", "'quoted'", 'say "hi", twice', "line\nbreak", "\u4e2d\u6587", "<script>", ""]


def export(name: str, filters: UsageFilter | None = None, *, has_bom: bool = False) -> str:
    return b"".join(begin_export(filters or UsageFilter(), FORMATS[name], has_bom=has_bom)).decode()


def lines(name: str) -> list[dict[str, Any]]:
    text = export(name)
    if FORMATS[name].is_csv:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(line) for line in text.splitlines()]


def test_csv_has_the_names_and_the_values_of_a_row() -> None:
    row = make_full_usage()

    [line] = lines("csv")

    assert list(line) == [column.name for column in COLUMNS]
    assert (line["id"], line["created_at"]) == (str(row.id), "2026-02-21T12:00:00.000000Z")
    assert (line["success"], line["is_streaming"], line["attempt"]) == ("false", "true", "2")
    assert (line["cost_amount"], line["cost_currency"]) == ("-1234567.000000000001", "USD")
    assert (line["node_name"], json.loads(line["metadata"])) == (row.node_name, row.metadata)


def test_csv_of_no_rows_is_its_names() -> None:
    assert export("csv") == ",".join(column.name for column in COLUMNS) + "\r\n"
    assert export("jsonl") == ""


def test_csv_leaves_unknown_values_empty() -> None:
    make_usage()

    [line] = lines("csv")

    assert (line["cost_amount"], line["call_id"], line["status"]) == ("", "", "")


@pytest.mark.parametrize("text", HOSTILE)
def test_csv_text_that_a_spreadsheet_would_compute_is_defused(text: str) -> None:
    make_usage(model=text, node_name=text, error=text, metadata={"x": text}, cost="1", operation=text, provider=text)

    [line] = lines("csv")
    [charge] = lines("focus")

    assert line["model"] == line["node_name"] == line["error"] == f"'{text}"
    assert json.loads(line["metadata"]) == {"x": text}
    assert charge["SkuId"] == charge["ProviderName"] == f"'{text}"
    assert charge["ChargeDescription"].startswith("'")
    for values in (line, charge):
        assert not [name for name, value in values.items() if value and value[0] in "=+@\t\r\n\uff1d\uff0b\uff0d\uff20"]


@pytest.mark.parametrize("text", HARMLESS)
def test_csv_text_that_is_harmless_comes_back_as_it_was(text: str) -> None:
    make_usage(model=text)

    assert lines("csv")[0]["model"] == text


def test_csv_amount_below_zero_stays_a_number() -> None:
    make_usage(cost="-0.5")

    assert lines("csv")[0]["cost_amount"] == "-0.500000000000"


def test_csv_with_a_byte_order_mark_begins_with_it() -> None:
    assert export("csv", has_bom=True).startswith("\ufeffcreated_at,")


def test_jsonl_has_numbers_booleans_null_and_the_metadata_as_it_is() -> None:
    row = make_full_usage()
    make_usage(id=UUID(int=0), created_at=NOON.replace(year=2025))

    older, line = lines("jsonl")

    assert list(line) == [column.name for column in COLUMNS]
    assert (line["success"], line["is_streaming"], line["attempt"], line["total_tokens"]) == (False, True, 2, 15)
    assert line["cost_amount"] == "-1234567.000000000001"
    assert (line["metadata"], line["usage_details"]) == (row.metadata, {"units": {"images": "2"}})
    assert older["usage_details"] is None
    assert older["cost_amount"] is None


def test_jsonl_line_has_no_line_break_inside() -> None:
    make_usage(model="a\nb\u2028c", metadata={"a\nb": "c\r\nd"})

    assert export("jsonl").count("\n") == 1


def test_columns_are_named_as_the_fields_of_the_api() -> None:
    assert {column.name for column in COLUMNS} <= set(UsageDetailSerializer().fields)


def test_focus_row_is_a_charge() -> None:
    row = make_full_usage(cost="0.25", cost_currency="cny")

    [charge] = lines("focus")

    assert charge == {
        **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), "0.250000000000"),
        "BillingCurrency": "CNY",
        "BillingAccountId": str(row.config_uuid),
        "BillingAccountName": "",
        "BillingPeriodStart": "2026-02-01T00:00:00Z",
        "BillingPeriodEnd": "2026-03-01T00:00:00Z",
        "ChargePeriodStart": "2026-02-21T12:00:00Z",
        "ChargePeriodEnd": "2026-02-21T13:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": "chat by gpt-4o-mini-2024-07-18",
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": "15",
        "ConsumedUnit": "Tokens",
        "PricingCategory": "Standard",
        "PricingQuantity": "15",
        "PricingUnit": "Tokens",
        **dict.fromkeys(("ProviderName", "PublisherName", "InvoiceIssuerName", "ServiceName"), "openai"),
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "SkuId": "gpt-4o-mini-2024-07-18",
        "SkuPriceId": "gpt-4o-mini-2024-07-18",
        "SubAccountId": str(row.user_id),
        "Tags": charge["Tags"],
        "x_UsageId": str(row.id),
        "x_CallId": str(row.call_id),
        "x_Attempt": "2",
        "x_Status": "failed",
        "x_CostSource": "price_map",
        "x_InputTokens": "10",
        "x_OutputTokens": "5",
        "x_CachedTokens": "4",
        "x_EndedAt": "2026-02-21T12:00:00.000000Z",
    }
    assert json.loads(charge["Tags"]) == {
        "user_id": str(row.user_id),
        "operation": "chat",
        "model": row.model,
        "node_name": row.node_name,
        "source_type": "task",
        "trace_id": "a" * 32,
    }


def test_focus_has_no_row_whose_cost_is_unknown() -> None:
    make_usage()
    make_usage(cost="0")

    assert [charge["BilledCost"] for charge in lines("focus")] == ["0.000000000000"]


def test_focus_row_of_december_ends_in_the_next_year() -> None:
    make_usage(cost="1", created_at=NOON.replace(month=12, day=31, hour=23))

    [charge] = lines("focus")

    assert (charge["BillingPeriodEnd"], charge["ChargePeriodEnd"]) == ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z")


def test_focus_row_without_tokens_is_a_request() -> None:
    make_usage(cost="1", prompt_tokens=0, completion_tokens=0, total_tokens=0, cost_currency="")

    [charge] = lines("focus")

    assert (charge["ConsumedQuantity"], charge["ConsumedUnit"]) == ("1", "Requests")
    assert (charge["BillingAccountId"], charge["ProviderName"], charge["BillingCurrency"]) == (
        "settings",
        "unknown",
        "USD",
    )


def test_focus_charges_add_up_to_the_rows() -> None:
    for cost in ("0.000000000001", "0.1", "0.2", "12345.678901234567"):
        make_usage(cost=cost)

    total = sum((Decimal(charge["BilledCost"]) for charge in lines("focus")), Decimal(0))

    assert total == Decimal("12345.978901234568")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_keeps_to_the_filters(name: str) -> None:
    make_usage(node_name="this", cost="1")
    make_usage(node_name="other", cost="1")

    text = export(name, parse_usage_filter({"node": "this"}))

    assert "this" in text
    assert "other" not in text


@pytest.mark.timeout(300)
def test_export_of_many_rows_takes_the_memory_of_a_few() -> None:
    few, many = 4_000, 40_000  # two batches, and twenty
    made = (
        LLMUsage(model="gpt", node_name="few" if number < few else "", created_at=NOON, metadata={"text": "x" * 100})
        for number in range(many)
    )
    LLMUsage.objects.bulk_create(made, batch_size=500)

    peak_of_few = _peak_bytes(parse_usage_filter({"node": "few"}), few)
    peak_of_many = _peak_bytes(UsageFilter(), many)

    assert peak_of_many < 1.3 * peak_of_few


def _peak_bytes(filters: UsageFilter, rows: int) -> int:
    """The most memory that an export of so many rows takes at once."""
    tracemalloc.start()
    try:
        made = begin_export(filters, FORMATS["csv"])
        for _chunk in made:
            pass
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.rows == rows
    return peak_bytes
