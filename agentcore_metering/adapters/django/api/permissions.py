"""REST framework permission classes that a host can choose in AGENTCORE_METERING_API_PERMISSION_CLASSES instead of `IsAdminUser`."""

from __future__ import annotations

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

__all__ = ["HasMeteringPermission"]

APP_LABEL = "agentcore_metering"


class HasMeteringPermission(BasePermission):
    """Lets in who has the model permission that the view needs: `view_usage` for figures, `manage_config` for all else.

    Staff or not plays no part; superusers have every permission, inactive users none.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether the caller has it. No for a view that names none."""
        needed = getattr(view, "needs", None)
        user = request.user
        return bool(user.is_authenticated and needed and user.has_perm(f"{APP_LABEL}.{needed}"))
