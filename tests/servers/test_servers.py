"""Thirty calls through a real server, an end of it, and `metering_drain`: exactly thirty rows, whatever the server and the end."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable
from importlib.util import find_spec

import pytest

from tests.servers.site import CALLS, EXACTLY, Site, free_port, wait_until

pytestmark = pytest.mark.timeout(170)

WSGI, ASGI = "example.host.wsgi:application", "example.host.asgi:application"
TERM, KILL, INT = signal.SIGTERM, signal.SIGKILL, signal.SIGINT

slow = pytest.mark.servers


def needs(name: str) -> pytest.MarkDecorator:
    is_there = find_spec(name) is not None or shutil.which(name) is not None
    return pytest.mark.skipif(not is_there, reason=f"{name} is not installed")


def gunicorn(port: int, *options: str) -> list[str]:
    return [sys.executable, "-m", "gunicorn", WSGI, "--bind", f"127.0.0.1:{port}", "--workers", "2", *options]


def uwsgi(port: int, *options: str) -> list[str]:
    server = ["uwsgi", "--http-socket", f"127.0.0.1:{port}", "--module", WSGI, "--need-app", "--die-on-term"]
    return [*server, "--virtualenv", sys.prefix, "--master", "--processes", "2", *options]


SHAPES: dict[str, Callable[[int], list[str]]] = {
    "gunicorn sync": gunicorn,
    "gunicorn gthread": lambda port: gunicorn(port, "--worker-class", "gthread", "--threads", "4"),
    "gunicorn preload": lambda port: gunicorn(port, "--preload"),
    "gunicorn gevent": lambda port: gunicorn(port, "--worker-class", "gevent"),
    "uvicorn": lambda port: [sys.executable, "-m", "uvicorn", ASGI, "--port", str(port), "--workers", "2"],
    "uwsgi": lambda port: uwsgi(port, "--enable-threads"),
    "uwsgi, bare": uwsgi,
    "runserver": lambda port: [sys.executable, "-m", "example.manage", "runserver", f"127.0.0.1:{port}"],
}


@pytest.mark.parametrize(
    ("shape", "end"),
    [
        pytest.param("gunicorn sync", KILL, marks=needs("gunicorn")),
        pytest.param("gunicorn sync", TERM, marks=[needs("gunicorn"), slow]),
        pytest.param("gunicorn gthread", KILL, marks=[needs("gunicorn"), slow]),
        pytest.param("gunicorn gthread", TERM, marks=[needs("gunicorn"), slow]),
        pytest.param("gunicorn preload", KILL, marks=[needs("gunicorn"), slow]),
        pytest.param("gunicorn preload", TERM, marks=[needs("gunicorn"), slow]),
        pytest.param("gunicorn gevent", KILL, marks=[needs("gunicorn"), needs("gevent"), slow]),
        pytest.param("gunicorn gevent", TERM, marks=[needs("gunicorn"), needs("gevent"), slow]),
        pytest.param("uvicorn", KILL, marks=[needs("uvicorn"), slow]),
        pytest.param("uvicorn", TERM, marks=[needs("uvicorn"), slow]),
        pytest.param("uwsgi", KILL, marks=[needs("uwsgi"), slow]),
        pytest.param("uwsgi", TERM, marks=[needs("uwsgi"), slow]),
        pytest.param("uwsgi, bare", KILL, marks=[needs("uwsgi"), slow]),
        pytest.param("uwsgi, bare", TERM, marks=[needs("uwsgi"), slow]),
        pytest.param("runserver", KILL, marks=slow),
        pytest.param("runserver", TERM, marks=slow),
        pytest.param("runserver", INT, marks=slow),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else value,
)
def test_server_that_ends_leaves_exactly_one_row_for_each_call(site: Site, shape: str, end: signal.Signals) -> None:
    if end is INT and signal.getsignal(INT) is signal.SIG_IGN:
        pytest.skip("SIGINT is ignored here, as in a shell's background job, and so in the server")
    port = free_port()
    with site.running(SHAPES[shape](port)) as server:
        server.ask(port)
        server.end(end)

    site.drain()

    assert site.rows() == EXACTLY
    assert len(site.stub.ledger.entries()) == CALLS
    assert "Traceback" not in server.log


@slow
@needs("uwsgi")
def test_drain_brings_the_rows_of_a_living_server_without_threads(site: Site) -> None:
    port = free_port()
    with site.running(uwsgi(port)) as server:
        server.ask(port)
        if "threads support enabled" in server.log:
            pytest.skip("this release of uWSGI always has threads")
        assert "--enable-threads" in server.log
        assert site.rows().count == 0

        assert site.drain()["relieved_records"] == CALLS
        assert site.rows() == EXACTLY
    site.drain()
    assert site.rows() == EXACTLY


@slow
def test_reloading_server_loses_no_call(site: Site) -> None:
    port = free_port()
    with site.running(SHAPES["runserver"](port)) as server:
        server.ask(port, CALLS // 2)
        (site.directory / "watched_by_the_reloader.py").write_text("CHANGED = True\n")
        wait_until(lambda: "reloading" in server.log, server)
        wait_until(lambda: server.log.count("Starting development server") == 2, server)
        server.ask(port, CALLS // 2)
        server.end(KILL)

    site.drain()

    assert site.rows() == EXACTLY


@slow
@needs("celery")
@pytest.mark.parametrize("end", [TERM, KILL], ids=lambda end: end.name)
def test_celery_prefork_pool_leaves_exactly_one_row_for_each_task(site: Site, end: signal.Signals) -> None:
    celery = [sys.executable, "-m", "celery", "-A", "tests.servers.celery_app", "worker", "--loglevel", "WARNING"]
    done = site.directory / "done"
    with site.running([*celery, "--pool", "prefork", "--concurrency", "2", "--without-gossip"]) as worker:
        with site.running([sys.executable, "-m", "tests.servers.celery_app", str(CALLS)]) as sender:
            sender.wait()
        wait_until(lambda: done.exists() and done.read_text().count("\n") == CALLS, worker)
        worker.end(end)

    site.drain()

    assert site.rows() == EXACTLY


CALL = "LLMTracker.call_and_track([{'role': 'user', 'content': str(number)}])"
PROGRAM = f"from agentcore_metering.adapters.django import LLMTracker\nfor number in range({CALLS}): {CALL}"


def test_command_that_exits_at_once_has_its_rows_without_a_drain(site: Site) -> None:
    ended = site.manage("shell", "-c", PROGRAM)

    assert ended.returncode == 0, ended.stderr
    assert site.rows() == EXACTLY
    assert site.drain()["written"] == 0


@slow
def test_command_that_is_killed_at_its_last_line_has_its_rows_after_a_drain(site: Site) -> None:
    ended = site.manage("shell", "-c", f"{PROGRAM}\nimport os; os.kill(os.getpid(), 9)")
    assert ended.returncode == -signal.SIGKILL

    site.drain()

    assert site.rows() == EXACTLY
    assert list((site.directory / "spool").iterdir()) == []
