"""Owns how this package's own texts get to a reader: in the language that is active then, which is never changed for it."""

from __future__ import annotations

from django.utils.translation import gettext

from agentcore_metering.core.errors import MeteringError
from agentcore_metering.core.texts import Text

__all__ = ["translated"]


def translated(said: Text | MeteringError) -> str:
    """What a text or an error says, in the active language where there is a translation, else in English."""
    text = said.text if isinstance(said, MeteringError) else said
    return text.said_by(_in_active_language)


def _in_active_language(template: str) -> str:
    # gettext answers an empty text with the head of its catalogue.
    return gettext(template) if template else template
