"""`metering_prices`: what calls would be charged now, and by whose figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.price_list import Quote, quotes
from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.management.options import moment
from agentcore_metering.adapters.django.management.output import OperatorCommand
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.providers import PROVIDERS

RECENT = timedelta(days=30)

Model = tuple[str, str, str | None]
"""Provider, model as asked for, model as served."""


class Command(OperatorCommand):
    """Print the price of each class of tokens, and of other units, for a model or for all that were called lately."""

    help = "Print what calls would be charged and why: each class of tokens, its source, version and tiers. Nothing is changed."
    statuses = {0: "the prices are printed, or that there is none", 2: "wrong options, or the database cannot be used"}

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument("--model", help="a model's name; without it, every model called in the last 30 days")
        parser.add_argument("--provider", help="a provider's id; without it, every provider that prices the model")
        parser.add_argument("--at", type=moment, metavar="TIME", help="the moment, ISO 8601 (default: now)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the prices."""
        operator, price_map = OperatorPrices(), PriceMap()
        operator.refresh()
        at = options["at"] or timezone.now()
        found = [
            quote
            for provider, model, served in _models(options["provider"], options["model"])
            for quote in quotes(operator, price_map, provider, model, at, served)
        ]
        if options["model"] and not options["provider"]:
            found = [quote for quote in found if quote.price is not None] or found[:1]
        self.print_result([quote.as_json() for quote in found], _lines(found), options)


def _models(provider: str | None, model: str | None) -> Iterable[Model]:
    if model is not None:
        return [(name, model, None) for name in ([provider] if provider else PROVIDERS)]
    rows = LLMUsage.objects.using(metering_settings.DATABASE_ALIAS).filter(created_at__gte=timezone.now() - RECENT)
    if provider is not None:
        rows = rows.filter(provider=provider)
    called = rows.order_by().values_list("provider", "request_model", "response_model").distinct()
    return sorted(((name or "", asked or "", served) for name, asked, served in called), key=str)


def _lines(found: list[Quote]) -> Iterator[str]:
    if not found:
        yield "No model was called in the last 30 days. Name one: --model gpt-4o-mini --provider openai"
    for quote in found:
        facts = quote.as_json()
        if quote.price is None:
            yield f"{quote.provider} {quote.model}: no price ({quote.reason})"
            continue
        yield (
            f"{quote.provider} {quote.model}: {facts['tier']}, {facts['currency']}, "
            f"by {facts['source']} ({quote.reason}; {facts['version']})"
        )
        for name, amount in facts["per_1m"].items():
            charged_as = facts["charged_as"].get(name)
            figure = "unknown" if amount is None else f"{amount} for 1,000,000"
            yield f"    {name:<17} {f'as {charged_as}' if charged_as else figure}"
        for unit, amount in facts["per_unit"].items():
            yield f"    {unit:<17} {amount} each"
