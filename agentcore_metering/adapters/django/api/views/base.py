"""What all views have in common: who may call them, how errors leave them, and how a body is read.

Renderers, parsers and authentication are the host's.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from rest_framework.exceptions import ParseError
from rest_framework.permissions import BasePermission, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from agentcore_metering.adapters.django.api.errors import to_http_error
from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.editing import configs
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.models.actors import acting

__all__ = ["TAG", "ConfigsView", "MeteringView", "read_body"]

TAG = "llm-metering"

S = TypeVar("S", bound=BaseSerializer[Any])


class MeteringView(APIView):
    """A view for staff, or for whom AGENTCORE_METERING_API_PERMISSION_CLASSES lets in."""

    permission_classes = [IsAdminUser]
    needs: ClassVar[str] = "manage_config"
    """The model permission that `permissions.HasMeteringPermission` asks for, where the host has chosen that class."""

    def get_permissions(self) -> Any:
        """The host's, unless this view was given its own where it was mounted."""
        if self.permission_classes is not MeteringView.permission_classes:
            return super().get_permissions()
        classes: list[type[BasePermission]] = [import_string(path) for path in metering_settings.API_PERMISSION_CLASSES]
        return [permission() for permission in classes]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """As REST framework's; what is changed meanwhile is the caller's doing."""
        with acting("api", lambda: self.request.user):
            return super().dispatch(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        """The response for an exception; this package's own errors are 400."""
        return super().handle_exception(to_http_error(exc))


class ConfigsView(MeteringView):
    """A view of configurations that its caller names."""

    def visible(self, request: Request) -> QuerySet[LLMConfig]:
        """Those that this caller may see, change and test."""
        return configs()


def read_body(serializer_class: type[S], request: Request, *, partial: bool = False) -> S:
    """The serializer with the request's body, checked.

    Raises:
        ValidationError: a field is wrong, as a map of fields to texts.
        ParseError: the body cannot be read at all.
    """
    try:
        body = request.data
    except RecursionError:
        raise ParseError(gettext("The body is nested too deeply.")) from None
    serializer = serializer_class(data=body, partial=partial)
    serializer.is_valid(raise_exception=True)
    return serializer
