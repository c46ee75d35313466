"""Keeps the secrets of calls out of what LiteLLM logs: it repeats a provider's answer, which may repeat the key, and at DEBUG everything.

Owns which secrets are known for that. What a text looks like without them is `masking`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from agentcore_metering.core.masking import forms_of, mask_forms

__all__ = ["install_filter", "remember_secrets"]

LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Proxy.stdout", "LiteLLM Router")
"""Each by its name: a logger's filters do not see what its children log."""

GENERATION = 500
"""At least so many sets of secrets are known, the latest ones; at most twice as many."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"asctime", "message"}
"""What every record has; anything else came as `extra`."""

_Secrets = tuple[str, ...]
_Forms = tuple[str, ...]


class _Known:
    """The secrets of the latest calls, in all of their forms. LiteLLM logs of a call also when it is over, in threads of its own."""

    def __init__(self) -> None:
        self._young: dict[_Secrets, _Forms] = {}
        self._old: dict[_Secrets, _Forms] = {}
        self._additions = 0
        self._gathered: tuple[int, _Forms] = (0, ())

    def add(self, secrets: _Secrets) -> None:
        """Two generations instead of a queue: no lock, and nothing is moved for secrets that are known."""
        if secrets in self._young:
            return
        if len(self._young) >= GENERATION:
            self._old, self._young = self._young, {}
        self._young[secrets] = forms_of(secrets)
        self._additions += 1

    def forms(self) -> _Forms:
        """The longest first, so that of a secret that begins with another one nothing is left."""
        additions, (gathered_at, forms) = self._additions, self._gathered
        if additions != gathered_at:
            known = {form for forms in [*self._old.values(), *self._young.values()] for form in forms}
            forms = tuple(sorted(known, key=len, reverse=True))
            self._gathered = additions, forms
        return forms


_known = _Known()


def remember_secrets(secrets: tuple[str, ...]) -> None:
    """From now on these are masked. Some hundred nanoseconds where they are known already."""
    if secrets:
        _known.add(secrets)


def install_filter() -> None:
    """Have LiteLLM's loggers mask what is known. It costs nothing as long as nothing is logged. A second time changes nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_filter)


class _MaskingFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        forms = _known.forms()

        def masked(text: str) -> str:
            return mask_forms(text, forms)

        try:
            _mask_message(record, masked)
            _mask_traceback(record, masked)
            _mask_extras(record, masked)
        except Exception as exc:  # noqa: BLE001 - whatever cannot be masked is not logged, and no call fails for a log line
            record.msg, record.args = "A record of LiteLLM's could not be masked: %s", (type(exc).__name__,)
            record.exc_info = record.exc_text = record.stack_info = None
        return True


_filter = _MaskingFilter()


def _mask_message(record: logging.LogRecord, masked: Callable[[str], str]) -> None:
    message = record.getMessage()
    told = f"{message}\n{record.args!r}"
    if masked(told) != told:
        record.msg, record.args = masked(message), ()


def _mask_traceback(record: logging.LogRecord, masked: Callable[[str], str]) -> None:
    if record.exc_info and not record.exc_text:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    if record.exc_text:
        # As text alone: the key is also in the frames' locals, which some handlers send along.
        record.exc_text, record.exc_info = masked(record.exc_text), None
    if record.stack_info:
        record.stack_info = masked(record.stack_info)


def _mask_extras(record: logging.LogRecord, masked: Callable[[str], str]) -> None:
    for name, value in list(vars(record).items()):
        if name not in _STANDARD:
            text = value if isinstance(value, str) else repr(value)
            if masked(text) != text:
                setattr(record, name, masked(text))
