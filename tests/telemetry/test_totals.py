"""A call's usage and cost are the exact sums of what is known of its attempts."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest

from agentcore_metering.core.types import (
    Cost,
    CostSource,
    CostStatus,
    ResponseFacts,
    Usage,
    UsageSource,
)
from agentcore_metering.telemetry.attributes import (
    decimal_text,
)
from agentcore_metering.telemetry.totals import CallTotals
from tests.telemetry import builders


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), CostStatus.NO_USAGE),
        ((CostStatus.NO_USAGE, CostStatus.NO_USAGE), CostStatus.NO_USAGE),
        ((CostStatus.NO_USAGE, CostStatus.FREE), CostStatus.FREE),
        ((CostStatus.FREE, CostStatus.PRICED), CostStatus.PRICED),
        ((CostStatus.UNPRICED, CostStatus.PRICED), CostStatus.UNPRICED),
    ],
    ids=str,
)
def test_totals_cost_status_is_that_of_the_least_certain_part(
    statuses: tuple[CostStatus, ...], expected: CostStatus
) -> None:
    attempts = [builders.attempt(number, cost_status=status) for number, status in enumerate(statuses, 1)]

    assert CallTotals.of(attempts).cost_status is expected


def _usage(input_tokens: int, source: UsageSource) -> ResponseFacts:
    return ResponseFacts(usage=Usage(input_tokens=input_tokens, source=source))


def test_totals_usage_is_estimated_when_one_part_is() -> None:
    parts = (_usage(3, UsageSource.PROVIDER), _usage(4, UsageSource.ESTIMATED), ResponseFacts())

    totals = CallTotals.of(builders.attempt(number, facts=facts) for number, facts in enumerate(parts, 1))

    assert totals.usage == Usage(input_tokens=7, source=UsageSource.ESTIMATED)


def test_totals_usage_is_none_when_no_part_is_known() -> None:
    assert CallTotals.of([builders.failed_attempt(1), builders.failed_attempt(2)]).usage is None


def test_totals_cost_source_is_local_when_one_part_is() -> None:
    own, priced = Cost(Decimal(1), "USD", CostSource.PROVIDER), builders.cost("1")

    assert CallTotals.of([builders.attempt(cost=own)]).cost_source == "provider"
    assert CallTotals.of([builders.attempt(cost=own), builders.attempt(2, cost=priced)]).cost_source == "local"


def test_totals_are_exact_whatever_the_hosts_decimal_precision() -> None:
    costs = (builders.cost("123456789.000000000001"), builders.cost("0.000000000001"))

    with decimal.localcontext(prec=6):
        totals = CallTotals.of(builders.attempt(number, cost=cost) for number, cost in enumerate(costs, 1))
        text = decimal_text(totals.amounts["USD"])

    assert text == "123456789.000000000002"
