"""Owns the answer to where a configuration's secrets are sent: two configurations with the same place send them to the same.

A stored secret belongs to its place. What becomes of it when the place changes is left to those who write configurations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentcore_metering.adapters.django.outbound import CREDENTIALS_KEYS, addresses_in
from agentcore_metering.core.providers import get_provider

__all__ = ["place_of"]

_SENT_ALONG = ("extra_headers",)
"""What goes to the same place and can have it answer for another one: `Host`, or a gateway's routing header."""
_PROXIES = ("proxy", "proxies", "http_proxy", "https_proxy", "base_url", "api_base_url")
"""Not sent to LiteLLM today; a host that passes them on must not be led elsewhere by them."""

_ACCOUNTS = ("account_id",)
"""Whose part of the provider's one address it is."""


def place_of(provider_id: str, options: Mapping[str, Any]) -> tuple[Any, ...]:
    """The place: a value to compare, not to show, since addresses and headers may have secrets in them."""
    model = options.get("model")
    is_routed = get_provider(provider_id).prefix_rule == "plain" and isinstance(model, str) and "/" in model
    addresses = tuple((key, url.rstrip("/")) for key, url in addresses_in(options))
    return (
        provider_id,
        addresses,
        *(json.dumps(options.get(key) or {}, sort_keys=True, default=str) for key in (*_SENT_ALONG, *_PROXIES)),
        *(_kind_of(options.get(key)) for key in CREDENTIALS_KEYS),
        *(str(options.get(key, "")) for key in _ACCOUNTS),
        str(model).partition("/")[0] if is_routed else "",
    )


def _kind_of(credentials: Any) -> str:
    """The kind of credentials decides how they are shown, and so to whom."""
    return str(credentials.get("type", "")) if isinstance(credentials, Mapping) else ""
