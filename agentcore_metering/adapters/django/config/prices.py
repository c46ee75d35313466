"""The operator's prices from the database, as a `PriceSource` that never queries while a call ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.models import LLMPrice
from agentcore_metering.adapters.django.models.price import TOKENS_PER_PRICE
from agentcore_metering.core.money import EXACT
from agentcore_metering.core.price_entry import tier_of, tier_word
from agentcore_metering.core.providers import PROVIDERS, get_provider
from agentcore_metering.core.routing import called_provider
from agentcore_metering.core.types import CostSource, ModelTarget, Price, ResponseFacts, TokenClass

__all__ = ["OperatorPrices"]

_COLUMNS: Mapping[TokenClass, str] = {
    TokenClass.INPUT: "input_per_1m",
    TokenClass.INPUT_AUDIO: "input_audio_per_1m",
    TokenClass.INPUT_IMAGE: "input_image_per_1m",
    TokenClass.CACHE_READ: "cache_read_per_1m",
    TokenClass.CACHE_WRITE: "cache_write_per_1m",
    TokenClass.CACHE_WRITE_1H: "cache_write_1h_per_1m",
    TokenClass.OUTPUT: "output_per_1m",
    TokenClass.OUTPUT_AUDIO: "output_audio_per_1m",
    TokenClass.OUTPUT_IMAGE: "output_image_per_1m",
    TokenClass.REASONING: "reasoning_per_1m",
}

_UNIT_COLUMNS: Mapping[str, str] = {
    "images": "per_image",
    "seconds": "per_second",
    "characters": "per_character",
    "queries": "per_query",
    "web_searches": "per_web_search",
}

_SINCE_EVER = datetime.min.replace(tzinfo=UTC)


class OperatorPrices:
    """`LLMPrice` rows as they were at the last `refresh`.

    Read before a call rather than at its end: by then the caller's transaction may be broken, or the thread be an event loop's.
    """

    def __init__(self) -> None:
        self._rows: Sequence[LLMPrice] = ()

    def refresh(self) -> None:
        """Read the prices anew. Side effect: one query."""
        rows = LLMPrice.objects.using(metering_settings.DATABASE_ALIAS).all()
        self._rows = sorted(rows, key=_precedence, reverse=True)

    def price_of(self, target: ModelTarget, facts: ResponseFacts, at: datetime) -> Price | None:
        """The price in force at the time `at` for the model that was asked for or served, its tier and the prompt's length.

        Of several the most particular one; see `LLMPrice`.
        """
        row = self.row_of(target, facts, at)
        return None if row is None else _price(row)

    def row_of(self, target: ModelTarget, facts: ResponseFacts, at: datetime) -> LLMPrice | None:
        """The row that `price_of` takes."""
        models = [model for model in (target.request_model, target.litellm_model, facts.response_model) if model]
        providers = _providers(target)
        tier = tier_of(target, facts)
        return next((row for row in self._rows if _fits(row, providers, models) and _holds(row, tier, facts, at)), None)


def _precedence(row: LLMPrice) -> tuple[object, ...]:
    letters = row.model_pattern.replace("*", "")
    return (
        bool(row.provider),
        len(letters),
        "*" not in row.model_pattern,
        row.service_tier != "*",
        row.above_input_tokens,
        row.valid_from or _SINCE_EVER,
        row.pk,
    )


def _providers(target: ModelTarget) -> frozenset[str]:
    """Whose prices may hold: any provider's, the configured one's, and those of the one that the model's prefix led to."""
    configured = get_provider(target.provider)
    called = called_provider(configured, target.litellm_model)
    is_foreign = called != configured.litellm_name
    others = [one.id for one in PROVIDERS.values() if one.litellm_name == called] if is_foreign else []
    return frozenset({"", target.provider, *([called] if is_foreign else []), *others})


def _fits(row: LLMPrice, providers: frozenset[str], models: Sequence[str]) -> bool:
    # Only the star is a wildcard: brackets stand in models' names.
    pattern = row.model_pattern.replace("[", "[[]").replace("?", "[?]")
    return row.provider in providers and any(fnmatchcase(model, pattern) for model in models)


def _holds(row: LLMPrice, tier: str, facts: ResponseFacts, at: datetime) -> bool:
    has_begun = row.valid_from is None or row.valid_from <= at
    has_ended = row.valid_to is not None and row.valid_to <= at
    is_its_tier = row.service_tier == "*" or tier_word(row.service_tier) == tier
    is_long_enough = not row.above_input_tokens or facts.usage.input_tokens > row.above_input_tokens
    return has_begun and not has_ended and is_its_tier and is_long_enough


def _price(row: LLMPrice) -> Price:
    labels = (row.service_tier.strip("*"), f"above_{row.above_input_tokens}" if row.above_input_tokens else "")
    unit_prices = {
        token_class: EXACT.divide(getattr(row, column), TOKENS_PER_PRICE)
        for token_class, column in _COLUMNS.items()
        if getattr(row, column) is not None
    }
    return Price(
        currency=row.currency,
        unit_prices=unit_prices,
        source=CostSource.OPERATOR,
        version=f"llm_price {row.pk}",
        per_unit={
            unit: getattr(row, column) for unit, column in _UNIT_COLUMNS.items() if getattr(row, column) is not None
        },
        tier=" ".join(filter(None, labels)),
    )
