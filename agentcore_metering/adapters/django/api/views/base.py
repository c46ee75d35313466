"""What all views have in common: who may call them, how errors leave them, and how a body is read.

Renderers, parsers and authentication are the host's.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import QuerySet
from rest_framework.exceptions import ParseError
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from agentcore_metering.adapters.django.api.errors import to_http_error
from agentcore_metering.adapters.django.config.editing import configs
from agentcore_metering.adapters.django.models import LLMConfig

__all__ = ["TAG", "ConfigsView", "MeteringView", "read_body"]

TAG = "llm-metering"

S = TypeVar("S", bound=BaseSerializer[Any])


class MeteringView(APIView):
    """A view for staff."""

    permission_classes = [IsAdminUser]

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
        raise ParseError("The body is nested too deeply.") from None
    serializer = serializer_class(data=body, partial=partial)
    serializer.is_valid(raise_exception=True)
    return serializer
