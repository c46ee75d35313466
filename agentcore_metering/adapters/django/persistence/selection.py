"""Owns which past rows are worked through, in order of time and a batch at a time, by who prices them anew or proves their costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.models.querysets import UsageQuerySet

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: by when the attempt was over, from `start` until before `end`; None is no limit."""

    start: datetime | None = None
    end: datetime | None = None
    model: str | None = None
    """As asked for, with or without LiteLLM's prefix, or as served."""
    provider: str | None = None
    batch_size: int = 500

    def batches(self, using: str, *, is_locking: bool = False) -> Iterator[list[LLMUsage]]:
        """The rows in order of time. Side effect with `is_locking`: they are locked until the transaction's end."""
        last: LLMUsage | None = None
        while True:
            rows = self._rows(using)
            if last is not None:
                rows = rows.filter(Q(created_at__gt=last.created_at) | Q(created_at=last.created_at, id__gt=last.id))
            if is_locking:
                rows = rows.select_for_update()
            batch = list(rows.order_by("created_at", "id")[: self.batch_size])
            if not batch:
                return
            yield batch
            last = batch[-1]

    def count(self, using: str) -> int:
        """How many rows there are."""
        return self._rows(using).count()

    def _rows(self, using: str) -> UsageQuerySet:
        rows: UsageQuerySet = LLMUsage.objects.using(using).between(self.start, self.end)
        if self.provider is not None:
            rows = rows.filter(provider=self.provider)
        if self.model is not None:
            rows = rows.filter(Q(model=self.model) | Q(request_model=self.model) | Q(response_model=self.model))
        return rows
