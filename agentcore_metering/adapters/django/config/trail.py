"""The trail of configurations as it is read: one page of one configuration's changes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.editing import configs
from agentcore_metering.adapters.django.models import LLMConfigChange

__all__ = ["changes_page"]


def changes_page(config_uuid: UUID, page: int, page_size: int) -> dict[str, Any] | None:
    """Results, total, page, page_size, newest first; None where neither a change nor the configuration is known."""
    rows = LLMConfigChange.objects.using(metering_settings.DATABASE_ALIAS).filter(config_uuid=config_uuid)
    total = rows.count()
    if not total and not configs().filter(uuid=config_uuid).exists():
        return None
    offset = (page - 1) * page_size
    # Checked before the slice: an offset of any size is more than a database takes.
    found = list(rows[offset : offset + page_size]) if offset < total else []
    return {"results": found, "total": total, "page": page, "page_size": page_size}
