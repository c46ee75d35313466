"""What will be done with one request, decided before the first byte of the answer leaves.

Owns the meaning of the directive's failure keys; `server` only carries a plan out. Nothing here touches a socket.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from example.stub_provider.answers import Usage, build_answer
from example.stub_provider.directives import Directive, DirectiveError, parse_directive
from example.stub_provider.wire import Endpoint, Event, Failure, JsonObject, Request, dump

if TYPE_CHECKING:
    from decimal import Decimal

    from example.stub_provider.answers import Answer, Prompt

_MESSAGES: Final = {
    400: "The request is not valid.",
    401: "Incorrect API key provided.",  # clients tell OpenAI's 401 from its 400 by these words
    403: "This key has no access to the model.",
    404: "The model does not exist.",
    408: "The request took too long.",
    429: "The rate limit is reached; try again later.",
    503: "The service is overloaded; try again later.",
}


KEYS_KEPT: Final = 10_000


class Outcome(StrEnum):
    """How the stub ends an exchange: a whole answer, an error, a cut or silent one, none; or the client left first."""

    COMPLETE = "complete"
    ERROR = "error"
    BROKEN = "broken"
    HANGING = "hanging"
    REFUSED = "refused"
    CLIENT_LEFT = "client_left"


@dataclass(frozen=True, slots=True)
class Plan:
    """One exchange in full. `status` None: closed without an answer. `usage`, `cost` None: the client is not told.

    `stop_after` is the number of deltas after which a stream is cut or falls silent. A plain answer has `body`, a
    stream `events`; a plain answer that is to be cut breaks off in the middle of its body. `media_type` "" is JSON. A silent
    stream is kept alive by a comment every `keep_alive_s` seconds; 0: by nothing.
    """

    status: int | None
    outcome: Outcome
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    media_type: str = ""
    events: tuple[Event, ...] | None = None
    stop_after: int | None = None
    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    keep_alive_s: float = 0.0
    usage: Usage | None = None
    cost: Decimal | None = None


class Attempts:
    """Thread-safe counts: of the answers of a server, and of the requests with each `key`, of which the latest `KEYS_KEPT` are known."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers = 0
        self._by_key: Counter[str] = Counter()

    def next_number(self) -> int:
        with self._lock:
            self._answers += 1
            return self._answers

    def next_of(self, key: str) -> int:
        with self._lock:
            self._by_key[key] += 1
            if len(self._by_key) > KEYS_KEPT:
                del self._by_key[next(iter(self._by_key))]
            return self._by_key[key]

    def clear(self) -> None:
        with self._lock:
            self._answers = 0
            self._by_key.clear()


def make_plan(endpoint: Endpoint, request: Request, attempts: Attempts) -> Plan:
    """The plan for `request`; counts it in `attempts`. A directive that cannot be obeyed gives an HTTP 400."""
    number = attempts.next_number()
    try:
        prompt = endpoint.read(request)
        directive = _effective(parse_directive(prompt.last), attempts)
        if directive.refuse:
            return Plan(status=None, outcome=Outcome.REFUSED, delay_s=directive.delay_s)
        if directive.status is not None:
            return _error(endpoint, request, directive, number)
        return _answered(endpoint, request, directive, _build(endpoint, prompt, directive, number))
    except DirectiveError as error:
        return _failed(endpoint, Failure(400, f"stub directive: {error}", number))


def _effective(directive: Directive, attempts: Attempts) -> Directive:
    """`directive` as it holds for this request: with `fail_times`, only the first ones of a key fail.

    Those after them that fall under `bad_json_times` get broken JSON.
    """
    if directive.key is None:
        return directive
    turn = attempts.next_of(directive.key)
    fail_times = directive.fail_times or 0
    if turn <= fail_times:
        names_failure = directive.refuse or directive.empty or directive.bad_json
        is_cut = (directive.status, directive.break_after, directive.hang_after) != (None, None, None)
        return directive if names_failure or is_cut else replace(directive, status=500)
    if directive.fail_times is not None:
        directive = replace(directive, status=None, break_after=None, hang_after=None)
        directive = replace(directive, refuse=False, empty=False, bad_json=False)
    has_bad_turn = directive.bad_json_times is not None and turn - fail_times <= directive.bad_json_times
    return replace(directive, bad_json=directive.bad_json or has_bad_turn)


def _build(endpoint: Endpoint, prompt: Prompt, directive: Directive, number: int) -> Answer:
    if directive.cost is not None and not endpoint.reports_cost:
        raise DirectiveError("cost: this provider's answers have no place for it")
    answer = build_answer(prompt, directive, number, bad_json=directive.bad_json)
    return answer if endpoint.has_output else replace(answer, usage=replace(answer.usage, output_tokens=0, reasoning=0))


def _error(endpoint: Endpoint, request: Request, directive: Directive, number: int) -> Plan:
    status = directive.status or 500
    message = directive.text or _MESSAGES.get(status, "The service met an error of its own.")
    if directive.echo_key:
        message = f"{message} Key received: {request.api_key}"
    plan = _failed(endpoint, Failure(status, message, number, directive.retry_after))
    return replace(plan, delay_s=directive.delay_s)


def _failed(endpoint: Endpoint, failure: Failure) -> Plan:
    headers = [_request_id(endpoint, failure.number)]
    if failure.retry_after is not None:
        headers.append(("retry-after", failure.retry_after))
    return Plan(failure.status, Outcome.ERROR, tuple(headers), dump(endpoint.fail(failure)))


def _answered(endpoint: Endpoint, request: Request, directive: Directive, answer: Answer) -> Plan:
    stop_after = directive.break_after if directive.break_after is not None else directive.hang_after
    is_stream = endpoint.events is not None and endpoint.is_stream(request)
    events = tuple(endpoint.events(request, answer)) if endpoint.events is not None and is_stream else None
    if events is not None and stop_after is not None:
        _check_stop(events, stop_after)
    is_told = endpoint.is_billed and answer.reports_usage and stop_after is None
    is_told = is_told and (not is_stream or endpoint.tells_usage(request) or answer.usage_early)
    return Plan(
        status=200,
        outcome=_outcome(directive),
        headers=(_request_id(endpoint, answer.number),),
        body=b"" if is_stream else _body(endpoint.reply(request, answer)),
        media_type=endpoint.media_type(request),
        events=events,
        stop_after=stop_after,
        delay_s=directive.delay_s,
        chunk_delay_s=directive.chunk_delay_s,
        keep_alive_s=directive.keep_alive_s,
        usage=answer.usage if is_told else None,
        cost=answer.cost if is_told else None,
    )


def _body(reply: JsonObject | bytes) -> bytes:
    return reply if isinstance(reply, bytes) else dump(reply)


def _outcome(directive: Directive) -> Outcome:
    if directive.break_after is not None:
        return Outcome.BROKEN
    return Outcome.HANGING if directive.hang_after is not None else Outcome.COMPLETE


def _check_stop(events: tuple[Event, ...], stop_after: int) -> None:
    deltas = sum(event.is_delta for event in events)
    if stop_after > deltas:
        raise DirectiveError(
            f"cannot stop after {stop_after} deltas: the answer has {deltas}; raise chunks or give text"
        )


def _request_id(endpoint: Endpoint, number: int) -> tuple[str, str]:
    return endpoint.request_id_header, f"req_stub{number:06d}"
