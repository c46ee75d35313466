"""LiteLLM's import ahead of the first call: which processes do it, and what a fork in its midst finds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agentcore_metering.adapters.django.preload import is_serving

SETUP = """
import json, os, sys, time
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="k",
    AGENTCORE_METERING_PRELOAD_LITELLM={wanted},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "agentcore_metering.adapters.django"],
)
sys.argv[:] = {argv}
django.setup()
"""

FORK_AT_ONCE = """
was_imported = "litellm" in sys.modules and hasattr(sys.modules["litellm"], "completion")
reader, writer = os.pipe()
if os.fork() == 0:
    from agentcore_metering.core import gateway
    gateway.import_litellm()
    os.write(writer, json.dumps(hasattr(sys.modules["litellm"], "completion")).encode())
    os._exit(0)
os.close(writer)
print(json.dumps([was_imported, json.loads(os.read(reader, 100))]))
"""

THREADS = """
import threading
print(json.dumps([thread.name for thread in threading.enumerate()]))
os._exit(0)
"""


def _run(script: str, *, wanted: bool, argv: list[str]) -> object:
    finished = subprocess.run(
        [sys.executable, "-c", SETUP.format(wanted=wanted, argv=argv) + script],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return json.loads(finished.stdout)


@pytest.mark.parametrize(
    ("argv", "environ", "expected"),
    [
        (["/usr/bin/gunicorn", "host.wsgi"], {}, True),
        (["/usr/bin/celery", "-A", "host", "worker"], {}, True),
        (["uwsgi"], {}, True),
        ([], {}, True),
        (["manage.py", "migrate"], {}, False),
        (["manage.py"], {}, False),
        (["/srv/host/manage.py", "runserver", "8000"], {}, False),
        (["/srv/host/manage.py", "runserver", "8000"], {"RUN_MAIN": "true"}, True),
        (["django-admin", "runserver", "--noreload"], {}, True),
        (["/site-packages/django/__main__.py", "check"], {}, False),
    ],
)
def test_is_serving_tells_servers_from_commands_that_end(
    argv: list[str], environ: dict[str, str], expected: bool
) -> None:
    assert is_serving(argv, environ) is expected


def test_preload_before_a_fork_is_there_in_the_child_and_did_not_hold_up_the_start() -> None:
    assert _run(FORK_AT_ONCE, wanted=True, argv=["gunicorn"]) == [False, True]


@pytest.mark.parametrize(
    ("wanted", "argv", "begins"),
    [(True, ["gunicorn"], True), (True, ["manage.py", "migrate"], False), (False, ["gunicorn"], False)],
)
def test_preload_begins_where_it_is_wanted_and_worth_it(wanted: bool, argv: list[str], begins: bool) -> None:
    threads = _run(THREADS, wanted=wanted, argv=argv)

    assert isinstance(threads, list)
    assert ("agentcore-metering-preload" in threads) is begins
