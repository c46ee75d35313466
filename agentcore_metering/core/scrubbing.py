"""Owns how a provider's exception leaves a call: the same object, without a secret in its texts, its response and its frames.

What it means is `failures`'; what a text looks like without secrets is `masking`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

from agentcore_metering.core.failures import never_reached_a_server
from agentcore_metering.core.masking import MASK, MAX_MESSAGE_CHARS, forms_of, has_form, mask_forms

__all__ = ["scrub_exception"]

MAX_DEPTH = 6
"""Levels of an exception's attributes that are looked at for secrets."""

_Forms = tuple[str, ...]


def scrub_exception(exc: BaseException, secrets: Iterable[str]) -> None:
    """Mask secrets in the exception's own texts and cut its traceback and chain, whose frames hold the key in their locals.

    The exception stays the same object of the same type.
    """
    forms = forms_of(secrets)
    # What the chain alone could tell, told anew without its frames.
    cause = ConnectionError("The provider was not reached.") if never_reached_a_server(exc) else None
    vars(exc).update({name: _masked(value, forms) for name, value in vars(exc).items()})
    args = tuple(_masked(arg, forms) for arg in exc.args)
    for name, value in (("args", args), ("__traceback__", None), ("__cause__", cause), ("__context__", None)):
        # Whatever its class makes of an assignment: one may be frozen.
        object.__setattr__(exc, name, value)


def _masked(value: Any, forms: _Forms, depth: int = 0) -> Any:
    """`value` without the secrets, itself where it has none; a response and its requests are masked in place: headers, body and address."""
    if isinstance(value, str):
        return mask_forms(value, forms)[:MAX_MESSAGE_CHARS] if has_form(value, forms) else value
    if isinstance(value, bytes):
        return _masked_bytes(value, forms)
    if depth >= MAX_DEPTH:
        return value
    if isinstance(value, dict):
        masked = {key: _masked(item, forms, depth + 1) for key, item in value.items()}
        return masked if any(masked[key] is not value[key] for key in value) else value
    if isinstance(value, (list, tuple)):
        items = [_masked(item, forms, depth + 1) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return items if isinstance(value, list) else tuple(items)
    _mask_in_place(value, forms, depth)
    return value


def _masked_bytes(content: bytes, forms: _Forms) -> bytes:
    masked = content
    for form in forms:
        masked = masked.replace(form.encode("utf-8", "surrogatepass"), MASK.encode())
    return content if masked == content else masked


def _mask_in_place(thing: Any, forms: _Forms, depth: int) -> None:
    if isinstance(thing, MutableMapping):
        for key, item in list(thing.items()):
            thing[key] = _masked(item, forms, depth + 1)
    # Underscored where httpx raises for what there is not.
    for name in ("headers", "_request", "next_request", "history"):
        part = getattr(thing, name, None)
        if part is not None:
            _masked(part, forms, depth + 1)
    own = getattr(thing, "__dict__", {})
    _mask_body(own, forms)
    _mask_address(own, forms)


def _mask_body(message: dict[str, Any], forms: _Forms) -> None:
    """The body of an httpx response or request, given by its attributes: LiteLLM's later releases keep it on the exception."""
    content = message.get("_content")
    if not isinstance(content, bytes):
        return
    message["_content"] = _masked_bytes(content, forms)
    if message["_content"] is not content:
        message.pop("_text", None)


def _mask_address(message: dict[str, Any], forms: _Forms) -> None:
    """The address of a request, given by its attributes: some providers have the key in its query."""
    url = message.get("url")
    if url is not None and has_form(str(url), forms):
        message["url"] = type(url)(mask_forms(str(url), forms))
