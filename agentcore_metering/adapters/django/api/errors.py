"""This package's errors as HTTP: every `MeteringError` is a 400 with the field or the code in its body.

A row that was deleted while a request for it ran is a 404. Any other exception is a defect, and stays a 500.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import (
    ObjectDoesNotExist,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, NotFound, ParseError, ValidationError
from rest_framework.status import HTTP_409_CONFLICT

from agentcore_metering.adapters.django.config.policy import InvalidCrontab
from agentcore_metering.adapters.django.stats import UnsupportedGranularity
from agentcore_metering.adapters.django.translated import translated
from agentcore_metering.core.errors import InvalidField, MeteringError

__all__ = ["Conflict", "bad_request", "not_found", "to_http_error"]

_TOO_LARGE = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


class Conflict(APIException):
    """The request is sound, but what is stored does not let it be done."""

    status_code = HTTP_409_CONFLICT
    default_code = "conflict"


def to_http_error(error: Exception) -> Exception:
    """The HTTP error for one of this package's; any other exception as it is."""
    if isinstance(error, ObjectDoesNotExist):
        return not_found()
    if isinstance(error, _TOO_LARGE):
        # Django's own answer is a page of HTML.
        return ParseError(_("The request has more data or fields than this server reads."))
    if not isinstance(error, MeteringError):
        return error
    body_of = next(body_of for kind, body_of in _BODIES if isinstance(error, kind))
    return ValidationError(body_of(error))


def not_found(detail: str = "Not found.") -> NotFound:
    """A 404 with this text, in the reader's language."""
    return NotFound(gettext(detail))


def bad_request(detail: str) -> ValidationError:
    """A 400 with this text, in the reader's language, and no field."""
    return ValidationError({"detail": gettext(detail)})


def _detail(error: Any) -> dict[str, Any]:
    return {"detail": translated(error)}


def _detail_and_code(error: Any) -> dict[str, Any]:
    return {"detail": translated(error), "code": error.code}


def _field_text(error: Any) -> dict[str, Any]:
    return {error.field: translated(error)}


def _field_list(error: Any) -> dict[str, Any]:
    first, *inner = error.field.split(".")
    body: Any = [translated(error)]
    for name in reversed(inner):
        body = {name: body}
    return {first: body}


# The first kind that fits counts. The two bare texts are what existing UIs read.
_BODIES: tuple[tuple[type[MeteringError], Callable[[Any], dict[str, Any]]], ...] = (
    (UnsupportedGranularity, _detail),
    (InvalidCrontab, _field_text),
    (InvalidField, _field_list),
    (MeteringError, _detail_and_code),
)
