"""Who may see and do what: Django's permissions for a model, and beside them this app's own. What a page shows is left to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from agentcore_metering.adapters.django.conf import metering_settings

__all__ = ["MANAGE_CONFIG", "VIEW_USAGE", "MeteringAdmin", "ReadOnlyAdmin"]

VIEW_USAGE = "agentcore_metering.view_usage"
MANAGE_CONFIG = "agentcore_metering.manage_config"

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    # Django's class takes a parameter for type checkers only.
    AnyModelAdmin = admin.ModelAdmin


class MeteringAdmin(AnyModelAdmin):
    """A page on the database that usage is written to."""

    viewed_by: ClassVar[str | None] = None
    """A permission that lets one look, beside Django's own."""
    managed_by: ClassVar[str | None] = None
    """A permission that lets one do everything, beside Django's own."""

    class Media:
        css = {"all": ["agentcore_metering/admin/metering.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Every row."""
        return super().get_queryset(request).using(metering_settings.DATABASE_ALIAS)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By either kind of permission."""
        return self._has(request, self.viewed_by, self.managed_by) or super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """By either kind of permission."""
        return self._has(request, self.managed_by) or super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By either kind of permission."""
        return self._has(request, self.managed_by) or super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By either kind of permission."""
        return self._has(request, self.managed_by) or super().has_delete_permission(request, obj)

    @staticmethod
    def _has(request: HttpRequest, *permissions: str | None) -> bool:
        return any(permission is not None and request.user.has_perm(permission) for permission in permissions)


class ReadOnlyAdmin(MeteringAdmin):
    """Rows that are looked at and, whatever permissions somebody has, neither written nor deleted here: the trail of what happened."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As any page's; the permission to change lets nobody in, because there is nothing to change."""
        codename = f"{self.opts.app_label}.view_{self.opts.model_name}"
        return self._has(request, self.viewed_by, codename)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: retention deletes, people do not."""
        return False
