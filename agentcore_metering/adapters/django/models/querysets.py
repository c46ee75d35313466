"""Owns the named parts of queries on the tables; which figures are made of them is left to `stats` and `rollups`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.db import models

# Used in quotes, as type parameters of the base classes.
if TYPE_CHECKING:
    from agentcore_metering.adapters.django.models.llm_config import LLMConfig  # noqa: F401
    from agentcore_metering.adapters.django.models.usage import LLMUsage  # noqa: F401

BOUND_COLUMNS = frozenset({"scope", "user", "user_id", "uuid"})
"""What the secrets of a configuration are sealed for."""


class UsageQuerySet(models.QuerySet["LLMUsage"]):
    """Queries on usage rows."""

    def between(self, start: datetime | None, end: datetime | None) -> Self:
        """Rows with `start` <= created_at < `end`; None leaves that side open."""
        rows = self
        if start is not None:
            rows = rows.filter(created_at__gte=start)
        return rows if end is None else rows.filter(created_at__lt=end)

    def for_user(self, user: Any) -> Self:
        """Rows of one user, given as instance or primary key; None selects the rows that belong to nobody."""
        return self.filter(user__isnull=True) if user is None else self.filter(user=user)

    def priced(self) -> Self:
        """Rows whose cost is known, zero included."""
        return self.filter(cost__isnull=False)


class ConfigQuerySet(models.QuerySet["LLMConfig"]):
    """Queries on configurations."""

    def update(self, **kwargs: Any) -> int:
        """As Django's, but ValueError where it would change what the rows' secrets are sealed for."""
        moved = sorted(BOUND_COLUMNS.intersection(kwargs))
        if moved:
            raise ValueError(
                f"update() of {', '.join(moved)} would make the secrets of these configurations unreadable, because they are sealed for "
                "scope and user; set the attributes and save() each row"
            )
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]  # Django's mark against calls from templates
