"""A call and its attempts are announced once and end once."""

from __future__ import annotations

import contextvars
import types
from collections.abc import Generator

from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.nesting import is_metered
from agentcore_metering.core.types import CallContext, ResponseFacts, Status
from tests.fakes import ScriptedBackend, World, make_request


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
