"""Owns the two model fields of our own: exact amounts of money, and configurations whose secrets are sealed."""

from __future__ import annotations

from agentcore_metering.adapters.django.fields.config import (
    SEALED_KEY,
    BoundConfig,
    EncryptedConfigField,
    UnreadableConfig,
    binding_of,
    open_for,
    stored_form,
)
from agentcore_metering.adapters.django.fields.money import (
    ExactDecimalField,
    ExactExpressionField,
    ExactSum,
    exact_value,
    to_exact,
)

__all__ = [
    "SEALED_KEY",
    "BoundConfig",
    "EncryptedConfigField",
    "ExactDecimalField",
    "ExactExpressionField",
    "ExactSum",
    "UnreadableConfig",
    "binding_of",
    "exact_value",
    "open_for",
    "stored_form",
    "to_exact",
]
