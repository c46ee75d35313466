"""A host that makes calls, forks, and makes more in each child: `python -m ... SEED COUNT CHILDREN`. All of it is sent by OTLP."""

from __future__ import annotations

import os
import sys

import django

django.setup()

from django.db import connections  # noqa: E402 - models need the setup

from agentcore_metering.adapters.django import runtime  # noqa: E402
from agentcore_metering.adapters.django.instrumentation import patching  # noqa: E402
from agentcore_metering.adapters.django.models import LLMConfig  # noqa: E402
from agentcore_metering.telemetry.bootstrap import configure, shutdown  # noqa: E402
from tests.mixes import ALL_KINDS, make_mix, perform  # noqa: E402

SEED, COUNT, CHILDREN = (int(argument) for argument in sys.argv[1:])


def work(seed: int) -> None:
    """A mix of calls, down to the database and out of the process."""
    models = list(LLMConfig.objects.order_by("pk").values_list("uuid", flat=True))
    for call in make_mix(seed, COUNT, models, ALL_KINDS):
        perform(call)
    if not runtime.flush(60):
        raise SystemExit("rows are still on their way")


configure("forking", instrument_django=False)
patching.install()
work(SEED)
connections.close_all()
children = []
for child in range(1, CHILDREN + 1):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work(SEED + child)
            status = 0 if shutdown(60) else 2
        finally:
            os._exit(status)
    children.append(pid)
failed = [pid for pid in children if os.waitpid(pid, 0)[1] != 0]
if not shutdown(60) or failed:
    raise SystemExit(f"children that failed: {failed}")
