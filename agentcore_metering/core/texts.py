"""Owns texts for people: what is said in English, in a form that a reader's own language can be put in its place.

Which language that is, and the translations, are the adapter's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Text"]


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence, or a part of one, whose words can be translated before its values are put in."""

    template: str
    """In English; a value stands in it as `%(name)s`."""
    values: Mapping[str, object] | None = None
    """By name. A `Text` among them is translated too. None: the template is the text, whatever stands in it."""

    def __str__(self) -> str:
        """In English."""
        return self.said_by(str)

    def said_by(self, translate: Callable[[str], str]) -> str:
        """In the words that `translate` has for templates."""
        if self.values is None:
            return translate(self.template)
        said = {
            name: value.said_by(translate) if isinstance(value, Text) else value for name, value in self.values.items()
        }
        return translate(self.template) % said
