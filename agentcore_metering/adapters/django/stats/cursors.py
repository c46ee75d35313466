"""Where a walk through the usage rows stands, as text that a client sends back: signed, and good for the same filters only.

A place is a row's `(created_at, id)`. Two rows never share one, and rows that come meanwhile move none.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.utils.crypto import salted_hmac

from agentcore_metering.core.errors import InvalidField

__all__ = ["Cursor", "decode_cursor", "encode_cursor"]

_SALT = "agentcore_metering.usage_cursor.v1"
_PLACE = struct.Struct(">?q16s")
_SIGNATURE_BYTES = 14
_TEXT_CHARS = 52  # of base64 for the place and its signature, without padding
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Filters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cursor:
    """A walk goes on behind this row."""

    created_at: datetime
    id: UUID
    is_backward: bool = False
    """Whether it goes to newer rows."""


def encode_cursor(cursor: Cursor, filters: Filters) -> str:
    """52 characters that need no escaping in a URL."""
    place = _PLACE.pack(cursor.is_backward, (cursor.created_at - _EPOCH) // _MICROSECOND, cursor.id.bytes)
    return base64.urlsafe_b64encode(place + _signature(place, filters)).rstrip(b"=").decode()


def decode_cursor(text: str, filters: Filters) -> Cursor:
    """The cursor that `encode_cursor` made.

    Raises:
        InvalidField: it was made for other filters, or by somebody else, or before SECRET_KEY changed.
    """
    try:
        signed = (
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            if len(text) == _TEXT_CHARS
            else b""
        )
    except (binascii.Error, ValueError):
        signed = b""
    place, signature = signed[: _PLACE.size], signed[_PLACE.size :]
    if not hmac.compare_digest(signature, _signature(place, filters)):
        raise InvalidField("cursor", "This cursor is not valid for these filters; begin again with an empty cursor.")
    is_backward, microseconds, row_id = _PLACE.unpack(place)
    return Cursor(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=row_id), is_backward)


def _signature(place: bytes, filters: Filters) -> bytes:
    signed = place + json.dumps(filters).encode()
    return salted_hmac(_SALT, signed, algorithm="sha256").digest()[:_SIGNATURE_BYTES]
