"""Keeps each user to one test call at a time: a mark in Django's default cache while it runs, which ends by itself where its process died.

With a cache of each process's own (`LocMemCache`) each process keeps its own marks; with none, or one that is away, nothing is held up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Self
from uuid import uuid4

from django.core.cache import caches
from django.utils.translation import gettext
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.status import HTTP_429_TOO_MANY_REQUESTS
from rest_framework.throttling import BaseThrottle

__all__ = ["SingleTrial", "TrialRunning"]

logger = logging.getLogger(__name__)

PREFIX = "agentcore_metering:test:"
RETRY_AFTER_S = 5
MARGIN_S = 15.0
"""What a test takes besides waiting for its provider."""
MAX_KEPT_S = 3600.0
RENEWED_EVERY_S = 5.0


class TrialRunning(APIException):
    """The caller's earlier test has not ended yet."""

    status_code = HTTP_429_TOO_MANY_REQUESTS
    default_code = "test_running"
    wait = RETRY_AFTER_S
    """Seconds; REST framework makes `Retry-After` of it."""

    def __init__(self) -> None:
        text = gettext("Another test of yours is running. Wait for its end, or cancel it, and try again.")
        super().__init__({"detail": text, "code": self.default_code})


class SingleTrial:
    """The mark that a caller's test is running. Made by `begin`, taken away by `end`."""

    def __init__(self, key: str, kept_s: float, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._key = key
        self._kept_s = min(kept_s + MARGIN_S, MAX_KEPT_S)
        self._monotonic_s = monotonic_s
        self._renewed_s = monotonic_s()
        self._token = uuid4().hex
        self._is_running = True

    @classmethod
    def begin(cls, request: Request, silence_s: float) -> Self:
        """The mark of the one who sent `request`.

        It lasts at most `silence_s`, the longest that the test may hear nothing from its provider, and a margin, unless it is renewed.

        Raises:
            TrialRunning: there is one already.
        """
        mark = cls(f"{PREFIX}{_caller(request)}", silence_s)
        if not _asked(lambda cache: cache.add(mark._key, mark._token, timeout=mark._kept_s), or_else=True):
            raise TrialRunning
        return mark

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.end()

    def renew(self) -> None:
        """The test goes on. Asks the cache once in five seconds at most."""
        now_s = self._monotonic_s()
        if not self._is_running or now_s - self._renewed_s < RENEWED_EVERY_S:
            return
        self._renewed_s = now_s
        _asked(lambda cache: self._is_ours(cache) and cache.touch(self._key, self._kept_s), or_else=False)

    def end(self) -> None:
        """The test has ended. Idempotent; the mark of a later test stays."""
        if not self._is_running:
            return
        self._is_running = False
        _asked(lambda cache: self._is_ours(cache) and cache.delete(self._key), or_else=False)

    def _is_ours(self, cache: Any) -> bool:
        return bool(cache.get(self._key) == self._token)


def _caller(request: Request) -> str:
    # A host may have REST framework put None in the place of a caller that is not known.
    is_known = getattr(request.user, "is_authenticated", False)
    return f"user:{request.user.pk}" if is_known else f"host:{BaseThrottle().get_ident(request)}"


def _asked(ask: Callable[[Any], Any], *, or_else: bool) -> bool:
    try:
        return bool(ask(caches["default"]))
    except Exception as exc:  # noqa: BLE001 - a cache's own errors have no common class, and none may cost a test
        logger.warning("The cache cannot be asked whose test is running: %s", type(exc).__name__)
        return or_else
