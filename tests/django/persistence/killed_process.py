"""A Django process that is killed with a hundred records behind it and a call under way: `python -m ... DIRECTORY`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import django

django.setup()

from agentcore_metering.adapters.django.persistence.journal import JournalSink  # noqa: E402 - models need the setup
from tests.delivery.builders import end_of, make_start  # noqa: E402

sink = JournalSink(Path(sys.argv[1]), "default")
for number in range(101):
    start = make_start(str(number))
    sink.attempt_started(start)
    if number < 100:
        sink.attempt_ended(end_of(start))
os.kill(os.getpid(), signal.SIGKILL)
