"""How a list of millions of rows stays fast: counts that stop, and a search that stops too and says so.

No index serves every filter, and each index costs every call its write. So what no index finds is looked for among the newest rows of
the chosen time only, and the page names the moment where it stopped, with a link that goes on from there.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from agentcore_metering.adapters.django.admin.indexed_filter import IndexedFilter
from agentcore_metering.adapters.django.admin.time_filter import TIME_END

__all__ = ["COUNT_LIMIT", "SCATTERED_LIMIT", "SEARCH_LIMIT", "CappedPaginator", "UsageChangeList"]

if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
else:
    # Django's class takes a parameter for type checkers only.
    AnyPaginator = Paginator

COUNT_LIMIT = 10_000
"""Rows that are counted and can be paged through; a narrower time shows the others."""
SEARCH_LIMIT = 10_000
"""Newest rows of the chosen time among which is searched what no index finds. They lie side by side on the disk."""
SCATTERED_LIMIT = 1_000
"""The same where an index has picked them: one user's rows, say, lie anywhere."""


class CappedPaginator(AnyPaginator):
    """Pages over at most `COUNT_LIMIT` rows."""

    @cached_property
    def count(self) -> int:
        """At most COUNT_LIMIT + 1, which means: more."""
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[: COUNT_LIMIT + 1].count())

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than were counted."""
        return self.count > COUNT_LIMIT

    @property
    def num_pages(self) -> int:
        """Pages of the rows that were counted; one even where there are none."""
        return max(1, -(-min(self.count, COUNT_LIMIT) // self.per_page))


class UsageChangeList(ChangeList):
    """The list of usage rows."""

    searched_back_to: datetime | None = None
    """Where a search stopped; None where it has seen every row of the chosen time."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """The rows that match, as far back as they were looked at."""
        rows = super().get_queryset(request, exclude_parameters).defer(*_admin_of(self).wide_columns)
        if not self._needs_bound():
            return rows
        self.searched_back_to = self._bound()
        return rows if self.searched_back_to is None else rows.filter(created_at__gte=self.searched_back_to)

    def get_results(self, request: HttpRequest) -> None:
        """As Django's, with what the page says of its limits."""
        super().get_results(request)
        self.is_capped = self.paginator.is_capped
        self.shown_count = min(self.result_count, COUNT_LIMIT)

    @property
    def older_query_string(self) -> str:
        """The same search among the rows before those that were looked at."""
        assert self.searched_back_to is not None  # noqa: S101 - the template asks only then
        return self.get_query_string({TIME_END: self.searched_back_to.isoformat()}, remove=["p"])

    def _needs_bound(self) -> bool:
        return _admin_of(self).searches_text(self.query) or any(spec.scans for spec in self._chosen())

    def _chosen(self) -> list[IndexedFilter]:
        return [spec for spec in self.filter_specs if isinstance(spec, IndexedFilter) and spec.is_used]

    def _bound(self) -> datetime | None:
        """When the last of the newest rows was made that indexes find and that may be read. None: all of them may.

        Read from an index alone.
        """
        rows, limit = self.root_queryset, SEARCH_LIMIT
        for spec in self._chosen():
            rows = spec.indexed(rows)
            limit = SCATTERED_LIMIT if spec.scatters else limit
        found = rows.order_by("-created_at").values_list("created_at", flat=True)[limit : limit + 1]
        return next(iter(found), None)


def _admin_of(changes: UsageChangeList) -> Any:
    return changes.model_admin
