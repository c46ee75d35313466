"""Owns exact arithmetic of money: one decimal context, and the places that are kept. What things cost is `pricing`'s."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

__all__ = ["EXACT", "exact_amount"]

EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Money is computed by this one's methods: a host may have set its threads to fewer digits, and a thread's own is a context variable."""

QUANTUM = Decimal("1e-12")
"""The smallest amount that is kept: 12 decimal places."""


def exact_amount(value: Decimal) -> Decimal:
    """`value` at 12 decimal places, half to even."""
    return value.quantize(QUANTUM, context=EXACT)
