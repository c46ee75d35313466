"""How values are written on the admin's pages: amounts, statuses, JSON, prices, links to traces. Everything is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from agentcore_metering.adapters.django.models.price import TOKENS_PER_PRICE
from agentcore_metering.adapters.django.trace_links import trace_url

__all__ = [
    "EMPTY",
    "amount",
    "json_block",
    "moment",
    "pill",
    "plain_decimal",
    "price_table",
    "seconds_text",
    "table",
    "trace",
    "two_lines",
]

EMPTY = "-"


def amount(cost: Decimal | None, currency: str) -> str:
    """An amount with its currency, as the API's `cost_amount` and `cost_currency`; a cost that is not known is no zero."""
    # The figures' own way of writing an amount; imported here, because Django imports every admin while it starts.
    from agentcore_metering.adapters.django.stats.shapes import exact_text

    return EMPTY if cost is None else f"{exact_text(cost)} {currency}"


def plain_decimal(number: Decimal) -> str:
    """All digits that say something, no exponent: 2.500000000000 is 2.5."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment(value: datetime | None, *, timespec: str = "seconds") -> str:
    """A moment in the active time zone; seconds tell rows from each other, so they are there."""
    if value is None:
        return EMPTY
    return timezone.localtime(value).replace(tzinfo=None).isoformat(" ", timespec)


def two_lines(first: Any, second: Any) -> SafeString:
    """A cell with what matters above what explains it."""
    return format_html('{}<br><span class="quiet">{}</span>', first, second or EMPTY)


def seconds_text(value: float | None) -> str:
    """A duration in seconds."""
    return EMPTY if value is None else f"{value:.2f} s"


def pill(value: str | None, text: str | None = None) -> str | SafeString:
    """A status, with the colour that the style sheet has for it."""
    if not value:
        return EMPTY
    return format_html('<span class="metering-pill" data-value="{}">{}</span>', value, text or value)


def json_block(value: Any) -> str | SafeString:
    """A JSON value on lines of its own."""
    if value in (None, {}, []):
        return EMPTY
    return format_html('<pre class="metering-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def table(head: Iterable[Any], lines: Iterable[Iterable[Any]]) -> SafeString:
    """A small table."""
    cells = format_html_join("", '<th scope="col">{}</th>', ((cell,) for cell in head))
    body = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((cell,) for cell in line)),) for line in lines)
    )
    return format_html('<table class="metering-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', cells, body)


def price_table(snapshot: Any) -> str | SafeString:
    """The prices that a cost was calculated from: per million tokens, or per unit; as JSON where they are of another shape."""
    if not snapshot:
        return EMPTY
    try:
        currency = str(snapshot["currency"])
        tokens = [
            (name.replace("_", " "), plain_decimal(Decimal(text) * TOKENS_PER_PRICE), currency, _("1,000,000 tokens"))
            for name, text in _items(snapshot["per_token"])
        ]
        units = [
            (name.replace("_", " "), plain_decimal(Decimal(text)), currency, _("unit"))
            for name, text in _items(snapshot.get("per_unit", {}))
        ]
    except (LookupError, TypeError, ValueError, AttributeError, InvalidOperation):
        return json_block(snapshot)
    facts = {name: snapshot.get(name) for name in ("source", "version", "tier")}
    said = ", ".join(str(value) for value in facts.values() if value)
    return format_html("{}<p>{}</p>", table((_("kind"), _("price"), _("currency"), _("per")), [*tokens, *units]), said)


def _items(prices: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return prices.items()


def trace(row: Any, *, is_short: bool = False) -> str | SafeString:
    """The trace's id, as a link into the host's tracing tool where there is one to follow."""
    if not row.trace_id:
        return EMPTY
    text = f"{row.trace_id[:8]}…" if is_short else row.trace_id
    url = trace_url(row)
    if url is None:
        return format_html('<span title="{}">{}</span>', row.trace_id, text)
    return format_html('<a href="{}" title="{}" target="_blank" rel="noopener">{}</a>', url, row.trace_id, text)
