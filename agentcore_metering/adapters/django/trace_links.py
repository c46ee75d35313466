"""The address of a usage row's trace in the host's tracing tool, by `AGENTCORE_METERING_TRACE_URL_TEMPLATE`."""

from __future__ import annotations

from typing import Protocol

from agentcore_metering.adapters.django.conf import metering_settings

__all__ = ["trace_url"]


class Traced(Protocol):
    """What of a row says where it is in a trace."""

    trace_id: str | None
    span_id: str | None
    trace_sampled: bool | None


def trace_url(row: Traced) -> str | None:
    """The address, or None without a template and for a row whose trace was not recorded: a link to that would lead to nothing."""
    template = metering_settings.TRACE_URL_TEMPLATE
    if template is None or not row.trace_id or not row.trace_sampled:
        return None
    # Both are hexadecimal digits, which need no escaping.
    return template.replace("{trace_id}", row.trace_id).replace("{span_id}", row.span_id or "")
