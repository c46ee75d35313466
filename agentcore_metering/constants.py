"""Defaults shared by every layer; the names that existing projects import are kept."""

from __future__ import annotations

DEFAULT_COST_CURRENCY = "USD"
"""Currency (ISO 4217) of LiteLLM's bundled price map, and of a row whose cost is unknown."""

DEFAULT_MAX_TOKENS = 16384
DEFAULT_TEMPERATURE = 0.7
DEFAULT_TOP_P = 1.0
"""The reference's sampling defaults. Shown in the catalogue only: a call sends what is configured or passed, nothing more."""

TEST_MAX_TOKENS = 64
"""Output tokens that a connection test may cost."""

LITELLM_NUM_RETRIES = 3
"""Retries after the first attempt, inside one deadline."""

MAX_NUM_RETRIES = 10
"""Retries that a configuration or a call may ask for."""

THINKING_OFF_PREFIXES = ("deepseek/", "openai/deepseek/")
"""LiteLLM models that think unless `thinking` is turned off by name; `reasoning_effort="none"` alone does not do it."""

LITELLM_REQUEST_TIMEOUT = 180
"""Seconds that a call and all of its attempts may take."""
