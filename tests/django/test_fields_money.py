from __future__ import annotations

import random
import uuid
from decimal import Decimal

import pytest
from django import forms
from django.core.exceptions import FieldError, ValidationError
from django.db import NotSupportedError, connection, models
from django.db.models import Avg, Case, F, Max, Min, OuterRef, Q, Subquery, Sum, Variance, When
from django.db.models.functions import Coalesce
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentcore_metering.adapters.django.fields import ExactDecimalField, ExactSum, exact_value, to_exact
from agentcore_metering.adapters.django.models import LLMUsage

pytestmark = pytest.mark.django_db

PICO = Decimal("1e-12")
# What SQLite's 64 bits hold in pico-units; PostgreSQL holds 12 integer digits.
LIMIT = Decimal("9223372.036854775807")

on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="the older schema is inexact on SQLite alone")
amounts = st.decimals(min_value=-LIMIT, max_value=LIMIT, places=12)


def add(*costs: Decimal | int | str | float | None, model: str = "m") -> None:
    LLMUsage.objects.bulk_create([LLMUsage(model=model, cost=cost) for cost in costs])


def costs() -> set[Decimal | None]:
    return set(LLMUsage.objects.values_list("cost", flat=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(amounts, min_size=1, max_size=50))
def test_any_amount_of_12_places_survives_the_database(values: list[Decimal]) -> None:
    LLMUsage.objects.all().delete()
    rows = [LLMUsage(model="m", cost=value) for value in values]
    LLMUsage.objects.bulk_create(rows)

    stored = dict(LLMUsage.objects.values_list("id", "cost"))

    assert [stored[row.id] for row in rows] == values
    assert all(cost is not None and cost.as_tuple().exponent == -12 for cost in stored.values())


def test_sum_of_a_thousand_amounts_is_pythons_own() -> None:
    chance = random.Random(20_261_124)
    values = [Decimal(chance.randrange(-(10**18), 10**18)) * PICO for _ in range(1_000)]
    add(*values)

    assert LLMUsage.objects.aggregate(total=ExactSum("cost"))["total"] == sum(values)


def test_sum_past_64_bits_of_pico_units_is_exact() -> None:
    add(*["9223372.036854775807"] * 3)

    # 3 * 9223372.036854775807
    assert LLMUsage.objects.aggregate(total=ExactSum("cost"))["total"] == Decimal("27670116.110564327421")


def test_negative_sum_past_64_bits_of_pico_units_is_exact() -> None:
    add(*["-9223372.036854775807"] * 3)

    assert LLMUsage.objects.aggregate(total=ExactSum("cost"))["total"] == Decimal("-27670116.110564327421")


def test_sum_over_no_rows_is_none() -> None:
    add(None)

    assert LLMUsage.objects.aggregate(total=ExactSum("cost"))["total"] is None


def test_sum_with_filter_counts_the_chosen_rows_alone() -> None:
    add("1.5", "2.25", model="a")
    add("100", model="b")

    totals = LLMUsage.objects.aggregate(
        chosen=ExactSum("cost", filter=Q(model="a") & Q(cost__gt="1.6")),
        everything=ExactSum("cost"),
        default=ExactSum("cost", filter=Q(model="c"), default=Decimal("0.5")),
    )

    assert totals == {"chosen": Decimal("2.25"), "everything": Decimal("103.75"), "default": Decimal("0.5")}


def test_sum_of_an_expression_is_exact() -> None:
    LLMUsage.objects.create(model="m", cost="0.1", computed_cost="0.2")
    LLMUsage.objects.create(model="m", cost="9000000", computed_cost="0.000000000001")

    figures = LLMUsage.objects.aggregate(total=ExactSum(F("cost") + F("computed_cost")))

    # 0.1 + 0.2 + 9000000 + 1e-12
    assert figures["total"] == Decimal("9000000.300000000001")


def test_sum_orders_and_compares_as_a_number_on_either_side_of_64_bits() -> None:
    add("9", model="nine")
    add("10.5", model="ten")
    add("-3", model="minus")
    add(*["9000000"] * 2, model="large")
    add(*["9000000"] * 12, model="larger")

    groups = LLMUsage.objects.values("model").annotate(total=ExactSum("cost")).order_by("total")

    assert [group["model"] for group in groups] == ["minus", "nine", "ten", "large", "larger"]
    assert [group["model"] for group in groups.filter(total__gt=Decimal("9.5"))] == ["ten", "large", "larger"]


@pytest.mark.parametrize(
    ("given_value", "exact"),
    [
        (0.1, "0.1"),
        (1e-07, "0.0000001"),
        (4.6499999999999995e-06, "0.00000465"),
        (3, "3"),
        ("0.000000000001", "0.000000000001"),
        (Decimal("0.0000000000005"), "0"),
        (Decimal("0.0000000000015"), "0.000000000002"),
        ("1e-40", "0"),
        ("-0.25", "-0.25"),
    ],
)
def test_amount_is_rounded_half_even_at_12_places(given_value: float | str | Decimal, exact: str) -> None:
    row = LLMUsage.objects.create(model="m", cost=given_value)

    assert row.cost == Decimal(exact)
    assert costs() == {Decimal(exact)}


@pytest.mark.parametrize(
    "wrong", ["1e12", Decimal("999999999999.9999999999999"), 10**13, "1e999999", "NaN", "-Infinity", "abc", True]
)
def test_impossible_amount_is_refused_with_its_value(wrong: str | Decimal | int) -> None:
    with pytest.raises(ValidationError) as raised:
        LLMUsage.objects.create(model="m", cost=wrong)

    assert str(wrong) in raised.value.messages[0]


@on_sqlite
def test_amount_past_64_bits_of_pico_units_is_refused_on_sqlite() -> None:
    with pytest.raises(ValidationError, match=r"9223372\.036854775808"):
        LLMUsage.objects.create(model="m", cost=LIMIT + PICO)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite holds less")
def test_amount_of_12_integer_digits_is_stored_elsewhere() -> None:
    add("999999999999.999999999999")

    assert costs() == {Decimal("999999999999.999999999999")}


@pytest.mark.parametrize(
    ("lookup", "value", "found"),
    [
        ("cost", "0.2", ["0.2"]),
        ("cost__exact", Decimal("0.20"), ["0.2"]),
        ("cost__gt", "0.199999999999", ["0.2", "10"]),
        ("cost__gte", "0.2", ["0.2", "10"]),
        ("cost__lt", "0.2", ["0.000000000001"]),
        ("cost__in", ["10", 0.2], ["0.2", "10"]),
        ("cost__range", ("0.000000000001", "0.2"), ["0.000000000001", "0.2"]),
        ("cost__isnull", True, [None]),
    ],
)
def test_lookup_compares_amounts_exactly(lookup: str, value: object, found: list[str | None]) -> None:
    add("0.000000000001", "0.2", "10", None)

    rows = LLMUsage.objects.filter(**{lookup: value}).order_by("cost")

    assert [row.cost for row in rows] == [None if cost is None else Decimal(cost) for cost in found]


def test_expressions_over_amounts_give_amounts() -> None:
    LLMUsage.objects.create(model="m", cost="1.5", computed_cost="0.25", total_tokens=3)

    figures = LLMUsage.objects.values(
        plus=F("cost") + F("computed_cost"),
        minus=F("cost") - exact_value("0.000000000001"),
        times=F("cost") * 2,
        by_column=F("total_tokens") * F("computed_cost"),
        either=Coalesce("computed_cost", "cost"),
        chosen=Case(When(model="m", then=F("cost")), default=exact_value(7)),
        nested=Subquery(LLMUsage.objects.filter(pk=OuterRef("pk")).values("cost")),
    ).get()

    assert figures == {
        "plus": Decimal("1.75"),
        "minus": Decimal("1.499999999999"),
        "times": Decimal(3),
        "by_column": Decimal("0.75"),
        "either": Decimal("0.25"),
        "chosen": Decimal("1.5"),
        "nested": Decimal("1.5"),
    }


def test_expression_can_be_compared_and_ordered_by() -> None:
    LLMUsage.objects.create(model="dear", cost="2", computed_cost="1")
    LLMUsage.objects.create(model="cheap", cost="1", computed_cost="2")

    assert LLMUsage.objects.get(cost__gt=F("computed_cost")).model == "dear"
    assert [row.model for row in LLMUsage.objects.order_by(F("cost") - F("computed_cost"))] == ["cheap", "dear"]


def test_bare_decimal_beside_a_column_is_refused_on_every_database() -> None:
    with pytest.raises(FieldError):
        list(LLMUsage.objects.annotate(wrong=F("cost") + Decimal(1)))


def test_update_stores_values_and_expressions_exactly() -> None:
    add("1.5")

    LLMUsage.objects.update(cost=F("cost") + exact_value("0.000000000001"), computed_cost=0.1)

    assert LLMUsage.objects.values_list("cost", "computed_cost").get() == (Decimal("1.500000000001"), Decimal("0.1"))


def test_what_is_saved_is_what_is_looked_for() -> None:
    # Django 5.1's DecimalField prepares what it saves in a way of its own.
    field = LLMUsage._meta.get_field("cost")

    saved = field.get_db_prep_save(Decimal(7), connection)

    assert saved == field.get_db_prep_value(Decimal(7), connection)


def test_bulk_update_stores_amounts_exactly() -> None:
    add("1", "2")
    rows = list(LLMUsage.objects.order_by("cost"))
    for row in rows:
        row.cost = "0.000000000003" if row.cost == 1 else None

    LLMUsage.objects.bulk_update(rows, ["cost"])

    assert costs() == {Decimal("0.000000000003"), None}


def test_aggregates_give_amounts() -> None:
    add("0.1", "0.2", "0.6")

    figures = LLMUsage.objects.aggregate(Min("cost"), Max("cost"), Sum("cost"), Avg("cost"))

    assert figures["cost__min"] == Decimal("0.1")
    assert figures["cost__max"] == Decimal("0.6")
    assert figures["cost__sum"] == Decimal("0.9")
    assert to_exact(figures["cost__avg"]) == Decimal("0.3")


@on_sqlite
def test_variance_is_refused_where_it_would_be_in_squared_pico_units() -> None:
    add("0.000000000001", "0.000000000003")

    with pytest.raises(NotSupportedError):
        LLMUsage.objects.aggregate(Variance("cost"))


@on_sqlite
def test_amount_written_by_older_code_reads_and_sums_as_what_it_meant() -> None:
    add("0.25")
    row = LLMUsage.objects.create(model="old")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE llm_tracker_usage SET cost = 0.000123 WHERE id = %s", [row.id.hex])

    row.refresh_from_db()

    assert row.cost == Decimal("0.000123")
    assert LLMUsage.objects.aggregate(total=ExactSum("cost"))["total"] == Decimal("0.250123")


def test_raw_query_gives_amounts() -> None:
    add("0.1")

    (row,) = LLMUsage.objects.raw("SELECT * FROM llm_tracker_usage")

    assert row.cost == Decimal("0.1")


def test_column_is_exact_in_the_database() -> None:
    column = LLMUsage._meta.get_field("cost").db_type(connection)

    assert column == ("bigint" if connection.vendor == "sqlite" else "numeric(24, 12)")


def test_field_deconstructs_to_itself() -> None:
    field = ExactDecimalField("cost", null=True)
    field.set_attributes_from_name("cost")

    name, path, args, kwargs = field.deconstruct()

    assert (name, path, args) == ("cost", "agentcore_metering.adapters.django.fields.ExactDecimalField", [])
    assert kwargs == {"verbose_name": "cost", "null": True}
    assert field.clone().deconstruct()[1:] == (path, args, kwargs)


def test_form_field_takes_12_places() -> None:
    field = ExactDecimalField().formfield()

    assert isinstance(field, forms.DecimalField)
    assert field.clean("0.000000000001") == PICO


def test_model_validation_accepts_what_the_column_holds() -> None:
    row = LLMUsage(id=uuid.uuid4(), model="m", cost="0.000000000001")

    row.full_clean()

    assert row.cost == PICO


def test_union_of_rows_gives_amounts() -> None:
    add("0.1", model="a")
    add("0.2", model="b")

    unordered = LLMUsage.objects.order_by().values_list("cost")
    rows = unordered.filter(model="a").union(unordered.filter(model="b"))

    assert {cost for (cost,) in rows} == {Decimal("0.1"), Decimal("0.2")}


def test_window_over_rows_gives_amounts() -> None:
    add("0.1", "0.2")

    rows = LLMUsage.objects.order_by("cost").values_list(models.Window(Sum("cost"), order_by="cost"), flat=True)

    assert list(rows) == [Decimal("0.1"), Decimal("0.3")]
