"""A Celery app whose task makes one call: `celery -A tests.servers.celery_app worker`, `python -m tests.servers.celery_app COUNT`."""

from __future__ import annotations

import os
import sys
from typing import Any

import django
from celery import Celery

from example.host.settings import DATA_DIR

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.servers.settings")
app = Celery("tests")
app.config_from_object("django.conf:settings", namespace="CELERY")
django.setup()


@app.task(name="ask")  # type: ignore[untyped-decorator]  # Celery has no types
def ask(number: int) -> None:
    from agentcore_metering.adapters.django import LLMTracker

    LLMTracker.call_and_track([{"role": "user", "content": f"number {number}"}])
    done = os.open(DATA_DIR / "done", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(done, b"%d\n" % number)
    os.close(done)


def main(count: int) -> Any:
    return [ask.delay(number) for number in range(count)]


if __name__ == "__main__":
    main(int(sys.argv[1]))
