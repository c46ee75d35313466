"""The operator's prices from the database, as a `PriceSource` that never queries while a call ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.models import LLMPrice
from agentcore_metering.core.types import CostSource, ModelTarget, Price, TokenClass

__all__ = ["OperatorPrices"]

TOKENS_PER_PRICE = Decimal(1_000_000)

_COLUMNS = {
    TokenClass.INPUT: "input_per_1m",
    TokenClass.CACHE_READ: "cache_read_per_1m",
    TokenClass.CACHE_WRITE: "cache_write_per_1m",
    TokenClass.OUTPUT: "output_per_1m",
    TokenClass.REASONING: "reasoning_per_1m",
}


class OperatorPrices:
    """`LLMPrice` rows as they were at the last `refresh`.

    Read before a call rather than at its end: by then the caller's transaction may be broken, or the thread be an event loop's.
    """

    def __init__(self) -> None:
        self._rows: Sequence[LLMPrice] = ()

    def refresh(self) -> None:
        """Read the prices anew. Side effect: one query."""
        self._rows = list(LLMPrice.objects.using(metering_settings.DATABASE_ALIAS).all())

    def price_of(self, target: ModelTarget, response_model: str | None, at: datetime) -> Price | None:
        """The newest price in force at the time `at` whose provider and pattern fit the model that was asked for or served."""
        models = [model for model in (target.request_model, target.litellm_model, response_model) if model]
        for row in self._rows:
            if _fits(row, target.provider, models) and _is_in_force(row, at):
                return Price(row.currency, _unit_prices(row), CostSource.OPERATOR, f"llm_price {row.pk}")
        return None


def _fits(row: LLMPrice, provider: str, models: Sequence[str]) -> bool:
    return row.provider in ("", provider) and any(fnmatchcase(model, row.model_pattern) for model in models)


def _is_in_force(row: LLMPrice, at: datetime) -> bool:
    return (row.valid_from is None or row.valid_from <= at) and (row.valid_to is None or at < row.valid_to)


def _unit_prices(row: LLMPrice) -> dict[TokenClass, Decimal]:
    stored = {token_class: getattr(row, column) for token_class, column in _COLUMNS.items()}
    return {token_class: price / TOKENS_PER_PRICE for token_class, price in stored.items() if price is not None}
