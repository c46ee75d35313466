"""Owns what a configuration's options say of time, retries and money, as an admin wrote them: the value, or the error that says what is wrong.

Which options LiteLLM is given is `request`'s to know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agentcore_metering.constants import (
    DEFAULT_COST_CURRENCY,
    LITELLM_NUM_RETRIES,
    LITELLM_REQUEST_TIMEOUT,
    MAX_NUM_RETRIES,
)
from agentcore_metering.core.errors import ConfigError
from agentcore_metering.core.texts import Text

__all__ = ["cost_currency_of", "retries_of", "seconds_of", "silence_of", "timeout_of"]


def timeout_of(value: Any) -> int:
    """Whole seconds, the default where there is no value. Raises ConfigError for anything else."""
    if value is None:
        return LITELLM_REQUEST_TIMEOUT
    try:
        seconds = int(value)
    except (TypeError, ValueError, OverflowError):
        seconds = 0
    if isinstance(value, bool) or seconds <= 0:
        raise ConfigError(
            Text("request_timeout_seconds must be a whole number of seconds above 0, not %(value)r.", {"value": value})
        )
    return seconds


def silence_of(options: Mapping[str, Any]) -> float:
    """Seconds that a call by a configuration of these `options` may hear nothing; the default where they cannot be used."""
    try:
        timeout_s = timeout_of(options.get("request_timeout_seconds"))
        return max(timeout_s, seconds_of(options, "stream_idle_timeout_seconds") or 0.0)
    except ConfigError:
        return float(LITELLM_REQUEST_TIMEOUT)


def retries_of(value: Any) -> int:
    """A number of retries, the default where there is no value. Raises ConfigError for anything else."""
    if value is None:
        return LITELLM_NUM_RETRIES
    try:
        retries = int(value)
    except (TypeError, ValueError, OverflowError):
        retries = -1
    is_cut = isinstance(value, float) and value != retries
    if isinstance(value, bool) or is_cut or not 0 <= retries <= MAX_NUM_RETRIES:
        raise ConfigError(
            Text(
                "num_retries must be a whole number from 0 to %(most)s, not %(value)r.",
                {"most": MAX_NUM_RETRIES, "value": value},
            )
        )
    return retries


def seconds_of(options: Mapping[str, Any], key: str) -> float | None:
    """A number of seconds above 0, None where there is no value. Raises ConfigError for anything else."""
    value = options.get(key)
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    if isinstance(value, bool) or not 0 < seconds < float("inf"):
        raise ConfigError(
            Text("%(key)s must be a number of seconds above 0, not %(value)r.", {"key": key, "value": value})
        )
    return seconds


def cost_currency_of(options: Mapping[str, Any]) -> str:
    """The currency that the endpoint reports its costs in, US dollars where there is no value. Raises ConfigError for what is no code."""
    currency = options.get("cost_currency") or DEFAULT_COST_CURRENCY
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        raise ConfigError(
            Text("cost_currency must be an ISO 4217 code such as CNY, not %(value)r.", {"value": currency})
        )
    return currency
