"""One call with a whole answer: attempts until it is usable, within one deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from agentcore_metering.core import dropped
from agentcore_metering.core.deadline import deadline
from agentcore_metering.core.errors import EmptyResponse, UnusableAnswer
from agentcore_metering.core.failures import classify
from agentcore_metering.core.json_mode import repair_json_object
from agentcore_metering.core.lifecycle import Attempt, Call
from agentcore_metering.core.operations import OPERATIONS, completed_facts
from agentcore_metering.core.responses import Reply, require_content
from agentcore_metering.core.retry import RetryPolicy, answer_delay_s
from agentcore_metering.core.scrubbing import scrub_exception
from agentcore_metering.core.types import EMPTY, AttemptRecord, Failure, ResponseFacts, Status

__all__ = ["ANY_ANSWER", "PLAIN_TEXT", "Answer", "AnswerRule", "acomplete", "complete", "json_object"]


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """What makes an answer usable, and how often one may be asked for."""

    extract: Callable[[Reply], tuple[str, Mapping[str, Any]]]
    """The text for the caller and notes for the row; raises `UnusableAnswer`."""
    max_attempts: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """A usable answer and the record of the attempt that gave it."""

    text: str
    reply: Reply
    record: AttemptRecord
    response: Any = field(default=None, repr=False)
    """The answer as LiteLLM gave it."""


def _plain_text(reply: Reply) -> tuple[str, Mapping[str, Any]]:
    return require_content(reply), EMPTY


PLAIN_TEXT = AnswerRule(_plain_text)
"""Any text, or a tool call."""


ANY_ANSWER = AnswerRule(lambda reply: (reply.text, EMPTY))
"""Whatever the provider answers, which the caller is given as it is."""


def json_object(max_attempts: int) -> AnswerRule:
    """A JSON object, repaired if need be, asked for up to `max_attempts` times (at least once)."""
    return AnswerRule(_json_text, max(1, max_attempts))


def complete(call: Call, rule: AnswerRule = PLAIN_TEXT) -> Answer:
    """The first usable answer.

    Raises:
        UnusableAnswer: none of the answers was usable.
        Exception: the provider's own, the same object, when it is permanent or the deadline or the retries are used up.
    """
    run = _Run(call, rule)
    while True:
        attempt = call.begin_attempt()
        try:
            return run.accept(attempt, run.send(attempt))
        except BaseException as exc:
            delay_s = run.recover(attempt, exc)
            if delay_s is None:
                raise
        try:
            call.services.clock.sleep(delay_s)
        except BaseException:
            call.end(Status.CANCELLED)
            raise


async def acomplete(call: Call, rule: AnswerRule = PLAIN_TEXT) -> Answer:
    """The same on an event loop; a cancelled task ends the call as cancelled."""
    dropped.prepare()
    run = _Run(call, rule)
    while True:
        attempt = call.begin_attempt()
        try:
            answer = run.accept(attempt, await run.asend(attempt))
        except GeneratorExit as exc:
            # The coroutine is being destroyed: nothing can be awaited, and the collector is no place to do this in.
            dropped.end_later(partial(run.recover, attempt, exc))
            raise
        except BaseException as exc:
            delay_s = run.recover(attempt, exc)
            if delay_s is None:
                await call.settle()
                raise
        else:
            await call.settle()
            return answer
        try:
            await call.settle()
            await call.services.clock.asleep(delay_s)
        except GeneratorExit:
            dropped.end_later(partial(call.end, Status.CANCELLED))
            raise
        except BaseException:
            call.end(Status.CANCELLED)
            raise


class _Run:
    """What the attempts of one call share; no waiting in here, so that it serves threads and event loops alike."""

    def __init__(self, call: Call, rule: AnswerRule) -> None:
        self._call = call
        self._rule = rule
        self._begin_config()
        self._facts: ResponseFacts | None = None
        self._reply: Reply | None = None

    def _begin_config(self) -> None:
        request = self._call.request
        self._policy = RetryPolicy(request.timeout_s, request.max_retries)
        self._provider_retries = 0
        self._unusable_answers = 0

    def send(self, attempt: Attempt) -> Any:
        """The raw answer. Its frame, whose locals hold the key, is gone when an exception leaves the call."""
        arguments = self._arguments(attempt)
        with self._call.activate():
            return self._call.services.backend.call(self._call.request.function, arguments)

    async def asend(self, attempt: Attempt) -> Any:
        """The raw answer, on an event loop."""
        arguments = self._arguments(attempt)
        timeout_s = arguments["timeout"]
        reason = f"The provider did not answer within {timeout_s:g} s (request_timeout_seconds, less what earlier attempts took)."
        with self._call.activate():
            async with deadline(timeout_s, reason):
                return await self._call.services.backend.acall(self._call.request.function, arguments)

    def _arguments(self, attempt: Attempt) -> Mapping[str, Any]:
        self._facts = self._reply = None
        timeout_s = self._policy.attempt_timeout_s(attempt.config_attempt, self._call.sent_elapsed_s)
        return {**self._call.arguments, "timeout": timeout_s}

    def accept(self, attempt: Attempt, response: Any) -> Answer:
        """The answer, if it is usable: then attempt and call have ended."""
        call = self._call
        spec = OPERATIONS[call.request.function]
        self._facts = spec.facts(response, call.request.arguments)
        self._reply = spec.reply(response)
        if call.wants_output:
            call.note_output(self._reply.output)
        self._facts = completed_facts(self._facts, call.services.backend, call.request, self._reply.said)
        text, notes = self._rule.extract(self._reply)
        record = attempt.succeed(self._facts, notes)
        call.end(Status.SUCCEEDED)
        return Answer(text, self._reply, record, response)

    def recover(self, attempt: Attempt, exc: BaseException) -> float | None:
        """Seconds to wait before the next attempt, or None when `exc` is the call's end, which it then is."""
        call = self._call
        if not isinstance(exc, Exception):
            attempt.cancel(self._facts)
            call.end(Status.CANCELLED)
            return None
        failure = classify(exc, call.request.secrets, call.services.clock.now())
        delay_s = self._delay_s(exc, failure)
        will_retry = delay_s is not None or call.can_fall_back(failure)
        attempt.fail(failure, self._facts, self._diagnostics(exc), will_retry=will_retry)
        if delay_s is None and call.leave_config(failure):
            self._begin_config()
            return 0.0
        if delay_s is None:
            call.end(Status.FAILED, failure)
            self._prepare(exc)
        return delay_s

    def _delay_s(self, exc: Exception, failure: Failure) -> float | None:
        if self._call.must_leave_config(failure):
            return None
        elapsed_s = self._call.sent_elapsed_s
        if not isinstance(exc, UnusableAnswer):
            delay_s = self._policy.next_delay_s(self._provider_retries, failure, elapsed_s)
            self._provider_retries += 1
            return delay_s
        self._unusable_answers += 1
        if self._unusable_answers >= self._rule.max_attempts:
            return None
        delay_s = answer_delay_s(self._unusable_answers - 1)
        return delay_s if delay_s < self._policy.timeout_s - elapsed_s else None

    def _prepare(self, exc: Exception) -> None:
        """Make `exc` fit to leave: node and count on our own errors, no secret in a provider's."""
        if isinstance(exc, UnusableAnswer):
            exc.args = (self._unusable_text(exc),)
        elif self._call.request.redact_exceptions:
            scrub_exception(exc, self._call.request.secrets)

    def _unusable_text(self, exc: UnusableAnswer) -> str:
        node = self._call.context.node_name or "unknown"
        if self._rule.max_attempts == 1:
            return f"[{node}] {exc}"
        count = f"after {self._unusable_answers} attempts"
        return f"[{node}] Invalid JSON response {count}: LLM call/JSON validation failed {count}: {exc}"

    def _diagnostics(self, exc: Exception) -> Mapping[str, Any]:
        if not isinstance(exc, EmptyResponse) or self._reply is None:
            return EMPTY
        return {
            "empty_response_diagnostics": {
                "finish_reason": self._reply.finish_reason,
                "content_repr": repr(self._reply.text),
                "reasoning_len": len(self._reply.reasoning or ""),
            }
        }


def _json_text(reply: Reply) -> tuple[str, Mapping[str, Any]]:
    try:
        return repair_json_object(require_content(reply)), EMPTY
    except EmptyResponse:
        # Some reasoning models end properly but leave the object in their reasoning text.
        if reply.finish_reason != "stop" or not reply.reasoning:
            raise
    try:
        return repair_json_object(reply.reasoning), {"recovered_from_reasoning_content": True}
    except UnusableAnswer:
        require_content(reply)
        raise
