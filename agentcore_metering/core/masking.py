"""Owns what a text looks like without secrets: those that are known, in every form in which they are written, and what looks like one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

__all__ = ["forms_of", "has_form", "mask", "mask_forms", "redact"]

MAX_MESSAGE_CHARS = 2_000
MASK = "***"
MIN_SECRET_CHARS = 4
"""Shorter values are not masked: replacing every `1` would destroy the text and protect nothing."""

_SECRET_SHAPES = re.compile(
    r"""(?x)
    (?: \b(?:sk|pk|rk|gsk|xai|nvapi|r8|hf|AIza)[-_]?[A-Za-z0-9_\-]{12,} )          # well-known key prefixes
  | (?: (?<=Bearer\s)[A-Za-z0-9._~+/\-]{8,}=* )                                     # authorization headers
  | (?: (?<=[?&]key=)[^&\s"']{4,} )                                                 # keys in a URL's query
    """
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` with every secret masked as by `mask`, cut to 2,000 characters."""
    return mask(text, secrets)[:MAX_MESSAGE_CHARS]


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` with every secret masked, in all of its `forms_of`, and with anything shaped like a key masked."""
    return mask_forms(text, forms_of(secrets))


def mask_forms(text: str, forms: Iterable[str]) -> str:
    """The same for forms that are known already."""
    for form in forms:
        text = text.replace(form, MASK)
    return _SECRET_SHAPES.sub(MASK, text)


def has_form(text: str, forms: Iterable[str]) -> bool:
    """Whether one of them is in the text."""
    return any(form in text for form in forms)


def forms_of(secrets: Iterable[str]) -> tuple[str, ...]:
    """Each secret as it is, as in a URL, in base64, and as a text in JSON or Python writes it.

    The longest first, so that of a secret that begins with another one nothing is left.
    """
    forms = dict.fromkeys(form for secret in secrets if len(secret) >= MIN_SECRET_CHARS for form in _forms(secret))
    return tuple(sorted(forms, key=len, reverse=True))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="", errors="surrogatepass")
    yield base64.b64encode(secret.encode("utf-8", "surrogatepass")).decode().rstrip("=")
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
