"""How a configuration is shown without its secrets, and how a shown one that comes back is read.

A mask is `***`, with the last four characters where a secret has at least 20. Any text with `***` in it that comes in is taken for
one: it stands for the stored value and is never stored itself. What is a secret is `secretbox`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentcore_metering.adapters.django.secretbox import has_secret, is_public
from agentcore_metering.core.errors import InvalidField

__all__ = ["has_mask", "masked", "unmasked"]

MASK = "***"
HINT_FROM = 20
HINT_LENGTH = 4


def masked(options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` with every secret masked, at any depth; keys, true, false and null stay readable."""
    return {key: value if is_public(key, value) else _mask(value) for key, value in options.items()}


def unmasked(key: str, sent: Any, stored: Any) -> Any:
    """What came in for a key of a configuration, each mask replaced by what is stored in its place.

    Raises:
        InvalidField: a mask has no stored value to stand for.
    """
    if is_public(key, sent) and is_public(key, stored):
        return sent
    return _unmask(f"config.{key}", sent, stored)


def has_mask(value: Any) -> bool:
    """Whether `value`, at any depth, holds a text that is a mask."""
    if isinstance(value, dict):
        return any(has_mask(item) for item in value.values())
    if isinstance(value, list):
        return any(has_mask(item) for item in value)
    return isinstance(value, str) and MASK in value


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item) for item in value]
    if not has_secret(value):
        return value
    text = str(value)
    return MASK + text[-HINT_LENGTH:] if len(text) >= HINT_FROM else MASK


def _unmask(path: str, sent: Any, stored: Any) -> Any:
    if isinstance(sent, dict):
        known = stored if isinstance(stored, dict) else {}
        return {key: _unmask(f"{path}.{key}", item, known.get(key)) for key, item in sent.items()}
    if isinstance(sent, list):
        items = stored if isinstance(stored, list) else []
        padded = [*items, *[None] * len(sent)]
        return [_unmask(path, item, padded[index]) for index, item in enumerate(sent)]
    if not has_mask(sent):
        return sent
    if isinstance(stored, (dict, list)) or not has_secret(stored):
        raise InvalidField(path, "This is the mask of a secret, and no secret is stored here; enter the secret itself.")
    return stored
