"""Owns the two model fields of our own: exact amounts of money, and configurations whose secrets are sealed."""

from __future__ import annotations

from agentcore_metering.adapters.django.fields.config import (
    BoundConfig,
    EncryptedConfigField,
    UnreadableConfig,
    binding_of,
    open_for,
)
from agentcore_metering.adapters.django.fields.money import (
    ExactDecimalField,
    ExactExpressionField,
    ExactSum,
    exact_value,
    to_exact,
)

__all__ = [
    "BoundConfig",
    "EncryptedConfigField",
    "ExactDecimalField",
    "ExactExpressionField",
    "ExactSum",
    "UnreadableConfig",
    "binding_of",
    "exact_value",
    "open_for",
    "to_exact",
]
