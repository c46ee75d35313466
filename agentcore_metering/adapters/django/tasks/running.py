"""The optional companions of a task: Celery, which runs it, and agentcore-task, which hosts follow their tasks with."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["Work", "periodic_task", "reported"]

logger = logging.getLogger(__name__)

Work = Callable[..., dict[str, Any]]

AGENTCORE_TASK = "agentcore_task.adapters.django.services.task_tracker"
MODULE = "agentcore_metering"
RETRIES = {
    "autoretry_for": (Exception,),
    "retry_backoff": True,
    "retry_backoff_max": 600,
    "retry_kwargs": {"max_retries": 3},
}


def periodic_task(name: str, work: Work) -> Any:
    """`work` as a Celery task of this name, which is tried again up to three times; without Celery the function itself."""
    try:
        celery: Any = import_module("celery")
    except ImportError:
        return work

    def run(task: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return reported(task.request.id, name, lambda: work(*args, **kwargs), {"args": args, "kwargs": kwargs})

    run.__doc__ = work.__doc__
    return celery.shared_task(name=name, bind=True, **RETRIES)(run)


def reported(task_id: str | None, name: str, work: Callable[[], dict[str, Any]], given: Any) -> dict[str, Any]:
    """What `work` gives, told to agentcore-task where that is installed. A report that fails costs the work nothing."""
    if task_id is None:
        return work()
    _report("register_task_execution", task_id, name, MODULE, metadata=given, initial_status="STARTED")
    try:
        result = work()
    except Exception as exc:
        _update(task_id, "FAILURE", error=str(exc), traceback=traceback.format_exc())
        raise
    _update(task_id, "SUCCESS", result=result)
    return result


def _update(task_id: str, status: str, **outcome: Any) -> None:
    _report("TaskTracker.update_task_status", task_id, status, **outcome)


def _report(function: str, *args: Any, **kwargs: Any) -> None:
    try:
        target: Any = import_module(AGENTCORE_TASK)
        for part in function.split("."):
            target = getattr(target, part)
        target(*args, **kwargs)
    except ImportError:
        return
    except Exception as exc:  # noqa: BLE001 - another package's bookkeeping, which must not fail the work
        logger.warning("agentcore-task was not told of %s: %s", function, exc)
