"""Imports LiteLLM before the first call needs it, in a thread of its own, where the setting asks for it.

Owns when a process is worth that and that no fork falls into the import. What is imported is left to `core.gateway`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from agentcore_metering.adapters.django.conf import metering_settings

__all__ = ["is_serving", "preload", "preload_if_wanted"]

logger = logging.getLogger(__name__)

FORK_WAIT_S = 60.0
"""How long a fork waits for the import: many times what it takes, so that only one that hangs is given up."""
_COMMAND_LINES = ("manage.py", "django-admin", "django-admin.py", "__main__.py")

_lock = threading.Lock()
_thread: threading.Thread | None = None


def preload_if_wanted() -> None:
    """Begin the import where `AGENTCORE_METERING_PRELOAD_LITELLM` is set and this process serves requests or tasks."""
    if metering_settings.PRELOAD_LITELLM and is_serving(sys.argv, os.environ):
        preload()


def preload() -> threading.Thread:
    """The thread that imports LiteLLM, begun at the first call; for processes that are not known to serve, such as a command of the host's.

    Side effect: a fork of this process waits until the import is done, since its child would find the locks of half-imported modules
    taken for ever; the child then has LiteLLM, and shares its memory.
    """
    global _thread  # noqa: PLW0603 - one import in a process
    with _lock:
        if _thread is None:
            # Not a daemon: an interpreter that ends in the middle of a native module's import may crash.
            _thread = threading.Thread(target=_import, name="agentcore-metering-preload")
            os.register_at_fork(before=_wait)
            _thread.start()
        return _thread


def is_serving(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether this process stays to serve: any server or worker, and `runserver`'s own child; no other management command."""
    if not argv or Path(argv[0]).name not in _COMMAND_LINES:
        return True
    if argv[1:2] != ["runserver"]:
        return False
    return "--noreload" in argv or environ.get("RUN_MAIN") == "true"


def _import() -> None:
    try:
        from agentcore_metering.core.gateway import import_litellm

        import_litellm()
    except Exception:
        logger.exception("LiteLLM could not be imported ahead of the first call, which will try again and raise this.")


def _wait() -> None:
    if _thread is not None and _thread is not threading.current_thread():
        _thread.join(FORK_WAIT_S)
