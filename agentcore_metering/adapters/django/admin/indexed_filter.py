"""What every filter of the usage list can say: which part of it an index finds, and which other parameters its form must keep."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest

__all__ = ["PAGE", "IndexedFilter"]

PAGE = "p"
NUL = "\x00"


class IndexedFilter(admin.SimpleListFilter):
    """One filter. `queryset` is `indexed` and, where that is not all of it, `scanned`."""

    scatters: ClassVar[bool] = False
    """Whether the rows that its index finds lie far from each other on the disk."""

    @property
    def is_used(self) -> bool:
        """Whether anything was chosen."""
        return self.value() is not None

    @property
    def scans(self) -> bool:
        """Whether rows have to be read to find those that match."""
        return self.is_used

    def indexed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The part of the filter for which there is an index that leads on to the time."""
        return rows

    def scanned(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The other part."""
        return rows

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Both parts."""
        return self.scanned(self.indexed(queryset)) if self.is_used else queryset

    def value(self) -> str | None:
        """What was chosen; None for everything, also where the parameter is there and empty."""
        value = super().value()
        # PostgreSQL takes no NUL in a text, not even to look for it.
        return value.replace(NUL, "").strip() or None if isinstance(value, str) else None

    def refuse(self, message: str) -> IncorrectLookupParameters:
        """The exception for a value that is none, after the admin was told so."""
        messages.error(self.request, message)
        return IncorrectLookupParameters(message)

    def hidden(self) -> list[tuple[str, str]]:
        """The other parameters of the page, for a form that must keep them."""
        own = {*self.expected_parameters(), PAGE, "e"}
        return [(name, value) for name, values in self.request.GET.lists() if name not in own for value in values]
