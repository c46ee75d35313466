"""The configuration that a test is of: a stored one, or what a form holds and has not saved.

What a form holds is merged with its stored row as a save would merge it, so a test sends a secret nowhere that saving would not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from agentcore_metering.adapters.django.config.editing import merged_options
from agentcore_metering.adapters.django.config.source import config_of, secret_values
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.core.types import ConfigScope, ModelConfig

__all__ = ["form_candidate", "stored_candidate"]


def stored_candidate(
    rows: QuerySet[LLMConfig], uuid: UUID | None, pk: int | None, model_type: str = LLMConfig.MODEL_TYPE_LLM
) -> ModelConfig | None:
    """The active configuration of this type with this uuid, or else this number; None where `rows` has none."""
    row = _row(rows, uuid, pk)
    is_usable = row is not None and row.is_active and row.model_type == model_type
    return config_of(row) if row is not None and is_usable else None


def form_candidate(
    rows: QuerySet[LLMConfig], provider: str, options: Mapping[str, Any], uuid: UUID | None, pk: int | None
) -> ModelConfig:
    """What saving the form would give. A row that is not among `rows` is as none: its masks stand for nothing.

    Raises:
        InvalidField: a mask has nothing to stand for, a value cannot be stored, or a stored secret would go to another place.
    """
    row = _row(rows, uuid, pk)
    known_provider, known = (provider, {}) if row is None else (row.provider, row.config)
    merged = merged_options(known_provider, known, provider, options)
    scope = ConfigScope.USER if row is not None and row.scope == LLMConfig.Scope.USER else ConfigScope.GLOBAL
    return ModelConfig(provider, merged, scope, None if row is None else row.uuid, secret_values(merged))


def _row(rows: QuerySet[LLMConfig], uuid: UUID | None, pk: int | None) -> LLMConfig | None:
    if uuid is not None:
        return rows.filter(uuid=uuid).first()
    return None if pk is None else rows.filter(pk=pk).first()
