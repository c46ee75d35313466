"""The answer's text in the call's record: only for an observer that asks, and never in an attempt."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from agentcore_metering.core.completion import complete, json_object
from agentcore_metering.core.errors import InvalidJSON
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.streaming import CompletionStream
from agentcore_metering.core.types import CallContext, CallRecord, OutputContent, Status
from tests.fakes import (
    RecordingObserver,
    ScriptedBackend,
    World,
    make_chunk,
    make_request,
    make_response,
    provider_error,
)

TOOL_CALL = {"id": "call_1", "function": {"name": "weather", "arguments": "{}"}}
PLAIN_CALL = {**TOOL_CALL, "type": "function"}


def asking(*script: Any) -> World:
    return World(ScriptedBackend(*script), observer=RecordingObserver(wants_output=True))


def begin(world: World, **changes: Any) -> Call:
    return Call(world.services, make_request(**changes), CallContext())


def stream(world: World) -> CompletionStream[None]:
    return CompletionStream(begin(world), lambda answer: None)


def record(world: World) -> CallRecord:
    (only,) = world.observer.calls
    return only


def test_output_is_the_whole_answer() -> None:
    world = asking(make_response("hello", reasoning_content="hm", tool_calls=[TOOL_CALL]))

    complete(begin(world))

    assert record(world).output == OutputContent("hello", "hm", (PLAIN_CALL,), "stop")


def test_output_of_a_stream_is_put_together() -> None:
    tool_call = {"index": 0, **TOOL_CALL}
    world = asking(
        [
            make_chunk(reasoning_content="hm"),
            make_chunk("hel"),
            make_chunk("lo", tool_calls=[tool_call], finish_reason="stop"),
        ]
    )

    list(stream(world))

    assert record(world).output == OutputContent("hello", "hm", (PLAIN_CALL,), "stop")


def test_output_of_a_stream_that_was_left_is_what_came() -> None:
    world = asking([make_chunk("hel"), make_chunk("lo")])
    deltas = stream(world)

    next(deltas)
    deltas.close()

    assert record(world).output == OutputContent("hel")
    assert record(world).status is Status.CANCELLED


def test_output_of_an_unusable_answer_is_kept() -> None:
    world = asking(make_response("no JSON at all"))

    with pytest.raises(InvalidJSON):
        complete(begin(world), json_object(1))

    assert record(world).output == OutputContent("no JSON at all", None, (), "stop")


def test_output_of_an_attempt_that_another_followed_is_forgotten() -> None:
    refused = provider_error("BadRequestError", 400)
    world = asking(make_response("no JSON at all"), refused)

    with pytest.raises(type(refused)):
        complete(begin(world), json_object(2))

    assert record(world).output is None


@pytest.mark.parametrize("is_streaming", [False, True])
def test_output_is_not_kept_when_nobody_asks(is_streaming: bool) -> None:
    world = World(ScriptedBackend([make_chunk("hello")] if is_streaming else make_response("hello")))

    if is_streaming:
        list(stream(world))
    else:
        complete(begin(world))

    assert record(world).output is None


def test_answer_is_free_once_nobody_asks_for_it() -> None:
    class Text(str):  # noqa: SLOT000 - slots would leave no room for a weak reference
        """A text that can be watched."""

    text = Text("hello")
    watched = weakref.ref(text)
    world = World(ScriptedBackend(make_response(text)))
    world.backend.script[0].choices[0].message.content = text
    call = begin(world)

    complete(call)
    world.backend.script.clear()
    del text
    gc.collect()

    assert watched() is None
    assert record(world).attempts


class BrokenWish(RecordingObserver):
    @property
    def wants_output(self) -> bool:
        raise RuntimeError("undecided")

    @wants_output.setter
    def wants_output(self, value: bool) -> None:
        """Set by the dataclass."""


def test_observer_that_fails_to_say_gets_no_output() -> None:
    world = World(ScriptedBackend(make_response("hello")), observer=BrokenWish())

    assert complete(begin(world)).text == "hello"
    assert record(world).output is None


def test_output_is_in_no_attempt_and_no_repr() -> None:
    world = asking(make_response("a secret answer"))

    complete(begin(world))

    assert "a secret answer" not in repr(record(world)) + repr(record(world).output) + repr(world.sink.records)
    assert not hasattr(world.sink.records[0], "output")
