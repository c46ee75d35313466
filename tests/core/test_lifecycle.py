"""Ids and the exactly-once end."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import types
from collections.abc import Generator

from agentcore_metering.core.lifecycle import Call, uuid7
from agentcore_metering.core.nesting import is_metered
from agentcore_metering.core.types import CallContext, ResponseFacts, Status
from tests.fakes import ScriptedBackend, World, make_request

FORKED = """
import os, sys
from agentcore_metering.core.lifecycle import uuid7
uuid7()
reader, writer = os.pipe()
for _ in range(2):
    if os.fork() == 0:
        os.write(writer, uuid7().bytes[6:])
        os._exit(0)
    os.wait()
print(len({uuid7().bytes[6:], os.read(reader, 10), os.read(reader, 10)}))
"""


def test_uuid7_of_forked_processes_are_not_the_same() -> None:
    finished = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)

    assert finished.stdout.strip() == "3"


def test_uuid7_is_version_7_and_ordered_by_time() -> None:
    ids = [uuid7() for _ in range(3)]

    assert {(value.version, value.variant) for value in ids} == {(7, "specified in RFC 4122")}
    assert [value.int >> 80 for value in ids] == sorted(value.int >> 80 for value in ids)


def test_call_ends_once() -> None:
    world = World(ScriptedBackend())
    call = Call(world.services, make_request(), CallContext())

    call.end(Status.FAILED)
    call.end(Status.SUCCEEDED)

    assert [record.status for record in world.observer.calls] == [Status.FAILED]


def test_attempt_ends_once() -> None:
    world = World(ScriptedBackend())
    attempt = Call(world.services, make_request(), CallContext()).begin_attempt()

    first = attempt.succeed(ResponseFacts())
    second = attempt.cancel()

    assert first is second
    assert world.sink.records == [first]


def test_attempt_is_announced_before_it_is_sent() -> None:
    world = World(ScriptedBackend())

    Call(world.services, make_request(), CallContext(user_id=7)).begin_attempt()

    [start] = world.sink.starts
    assert (start.attempt, start.id, start.context.user_id) == (1, start.call_id, 7)


@types.coroutine
def suspended() -> Generator[None, None, None]:
    yield


def test_activation_of_a_destroyed_coroutine_leaves_the_context_alone() -> None:
    world = World(ScriptedBackend())
    call = Call(world.services, make_request(), CallContext())
    marks: list[bool] = []

    async def read() -> None:
        with call.activate():
            marks.append(is_metered())
            await suspended()

    def destroyed() -> None:
        coroutine = read()
        coroutine.send(None)
        context = contextvars.copy_context()
        coroutine.close()
        marks.append(is_metered())
        assert all(context[variable] is value for variable, value in contextvars.copy_context().items())

    contextvars.copy_context().run(destroyed)

    assert marks == [True, False]
