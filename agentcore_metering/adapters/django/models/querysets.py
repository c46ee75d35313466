"""Owns the named parts of queries on the tables; which figures are made of them is left to `stats` and `rollups`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import models, transaction

from agentcore_metering.adapters.django.models.changes import note_change
from agentcore_metering.adapters.django.models.config_change import LLMConfigChange

# Used in quotes, as type parameters of the base classes.
if TYPE_CHECKING:
    from agentcore_metering.adapters.django.models.llm_config import LLMConfig  # noqa: F401
    from agentcore_metering.adapters.django.models.usage import LLMUsage  # noqa: F401

BOUND_COLUMNS = frozenset({"scope", "user", "user_id", "uuid"})
"""What the secrets of a configuration are sealed for."""


T = TypeVar("T")
ReadHook = Callable[[str], None]

_before_read: ReadHook | None = None


def set_read_hook(hook: ReadHook | None) -> None:
    """Have `hook(alias)` called before every query that reads usage rows: the one who writes them behind the reader's back waits there."""
    global _before_read  # noqa: PLW0603 - set once by the composition root
    _before_read = hook


def wait_for_writes(alias: str) -> None:
    """What every query on usage rows does first; for those who read them by SQL of their own."""
    if _before_read is not None:
        _before_read(alias)


class UsageQuerySet(models.QuerySet["LLMUsage"]):
    """Queries on usage rows. A process that has rows on their way waits for them first, so it reads what it has written."""

    def _fetch_all(self) -> None:
        if self._result_cache is None:
            self._wait_for_writes()
        super()._fetch_all()  # private to Django, and the one place where rows are read

    def iterator(self, chunk_size: int | None = None) -> Iterator[Any]:
        """As Django's."""
        self._wait_for_writes()
        return super().iterator(chunk_size)

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As Django's."""
        self._wait_for_writes()
        return super().aggregate(*args, **kwargs)

    def count(self) -> int:
        """As Django's."""
        self._wait_for_writes()
        return super().count()

    def exists(self) -> bool:
        """As Django's."""
        self._wait_for_writes()
        return super().exists()

    def update(self, **kwargs: Any) -> int:
        """As Django's; rows on their way are changed too."""
        self._for_write = True
        self._wait_for_writes()
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """As Django's; rows on their way are deleted too."""
        self._for_write = True
        self._wait_for_writes()
        return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def _wait_for_writes(self) -> None:
        wait_for_writes(self.db)

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


class NotingQuerySet(models.QuerySet[Any]):
    """Queries on rows that are cached: bulk writes count as changes too."""

    def update(self, **kwargs: Any) -> int:
        """As Django's."""
        return self._noted(super().update(**kwargs))

    update.alters_data = True  # type: ignore[attr-defined]  # Django's mark against calls from templates

    def delete(self) -> tuple[int, dict[str, int]]:
        """As Django's."""
        return self._noted(super().delete())

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[Any]:
        """As Django's."""
        self._for_write = True
        return self._noted(super().bulk_create(*args, **kwargs))

    def _noted(self, result: T) -> T:
        # Without it Django says which database is read, and a router may have another one for that.
        self._for_write = True
        note_change(self.model._meta.db_table, self.db)
        return result


class ConfigQuerySet(NotingQuerySet):
    """Queries on configurations. Bulk writes leave their trail too."""

    def update(self, **kwargs: Any) -> int:
        """As Django's, but ValueError where it would change what the rows' secrets are sealed for."""
        moved = sorted(BOUND_COLUMNS.intersection(kwargs))
        if moved:
            raise ValueError(
                f"update() of {', '.join(moved)} would make the secrets of these configurations unreadable, because they are sealed for "
                "scope and user; set the attributes and save() each row"
            )
        self._for_write = True
        with transaction.atomic(using=self.db):
            rows = self._named_rows()
            updated = super().update(**kwargs)
            LLMConfigChange.note(LLMConfigChange.Action.CHANGED, rows, kwargs.keys() - {"updated_at"}, self.db)
        return updated

    update.alters_data = True  # type: ignore[attr-defined]  # Django's mark against calls from templates

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[Any]:
        """As Django's."""
        self._for_write = True
        with transaction.atomic(using=self.db):
            rows = super().bulk_create(*args, **kwargs)
            LLMConfigChange.note(LLMConfigChange.Action.CREATED, rows, (), self.db)
        return rows

    def defaults(self, model_type: str) -> Self:
        """The active global configurations of this type; the first is for calls that name none, of users without one."""
        rows = self.filter(scope="global", model_type=model_type, is_active=True)
        return rows.order_by("-is_default", "created_at", "id")

    def _named_rows(self) -> list[Any]:
        # Of its own: this query may be one for dictionaries, or have columns left out that the trail needs.
        pks = self.order_by().values("pk")
        return list(models.QuerySet(self.model, using=self.db).filter(pk__in=pks).only("uuid", "user_id"))
