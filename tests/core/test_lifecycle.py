"""Ids and the exactly-once end."""

from __future__ import annotations

import subprocess
import sys

from agentcore_metering.core.lifecycle import Call, uuid7
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
