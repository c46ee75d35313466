"""The stub as a server: its answers, its failures, its books and its connections."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from example.stub_provider import Outcome, ReceivedRequest, StubProvider, Usage, directive
from example.stub_provider.ledger import KEPT, Ledger
from example.stub_provider.plans import KEYS_KEPT, Attempts
from tests.example.stub_client import KEY, PROVIDERS, send

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    with StubProvider() as running:
        yield running


def test_answer_without_directive_counts_words(stub: StubProvider) -> None:
    answer = send(stub, "openai", "tell me a joke").json

    assert answer["choices"][0]["message"]["content"] == "You said: tell me a joke"
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (4, 6)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_answers_of_two_servers_are_the_same_bytes(stub: StubProvider, provider: str, stream: bool) -> None:
    with StubProvider() as other:
        first = send(stub, provider, "tell me a joke", stream=stream)
        second = send(other, provider, "tell me a joke", stream=stream)

        assert first == second


def test_requests_hold_what_was_sent_and_answered(stub: StubProvider) -> None:
    text = directive(in_=12, out=30, cached=4, cost="0.0021")

    send(stub, "openai", text)

    (received,) = stub.requests
    assert (received.path, received.api_key) == ("/v1/chat/completions", KEY)
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.body["messages"][0]["content"] == text
    assert (received.status, received.outcome) == (200, Outcome.COMPLETE)
    assert received.usage == Usage(input_tokens=12, output_tokens=30, cached=4)
    assert received.cost == Decimal("0.0021")


def test_clear_forgets_requests_and_starts_numbers_again(stub: StubProvider) -> None:
    first = send(stub, "openai", "hi")

    stub.clear()

    assert stub.requests == ()
    assert send(stub, "openai", "hi") == first


def test_a_server_that_runs_for_days_keeps_the_latest_requests_and_keys_alone() -> None:
    ledger, attempts = Ledger(), Attempts()

    for number in range(KEPT + 1):
        ledger.enter(ReceivedRequest(f"/{number}", {}, {}, None, 200, Outcome.COMPLETE, None, None))
    for number in range(KEYS_KEPT + 1):
        attempts.next_of(str(number))

    paths = [entry.path for entry in ledger.entries()]
    assert (len(paths), paths[0], paths[-1]) == (KEPT, "/1", f"/{KEPT}")
    assert (attempts.next_of(str(KEYS_KEPT)), attempts.next_of("0")) == (2, 1)


def test_connection_is_kept_for_the_next_request(stub: StubProvider) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", stub.port, timeout=10)) as connection:
        connection.request("GET", "/v1/models")
        assert "gpt-4o-mini" in [model["id"] for model in json.loads(connection.getresponse().read())["data"]]
        kept = connection.sock
        connection.request("GET", "/v1/nothing")
        assert connection.getresponse().status == 404
        assert connection.sock is kept


def test_command_line_serves_until_terminated() -> None:
    command = [sys.executable, "-m", "example.stub_provider", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/models")
            assert connection.getresponse().status == 200
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize(
    ("provider", "status", "kind"),
    [
        ("openai", 401, ("code", "invalid_api_key")),
        ("openai", 429, ("code", "rate_limit_exceeded")),
        ("openai", 500, ("type", "server_error")),
        ("anthropic", 401, ("type", "authentication_error")),
        ("anthropic", 429, ("type", "rate_limit_error")),
        ("anthropic", 503, ("type", "overloaded_error")),
        ("gemini", 400, ("status", "INVALID_ARGUMENT")),
        ("gemini", 403, ("status", "PERMISSION_DENIED")),
        ("gemini", 429, ("status", "RESOURCE_EXHAUSTED")),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_status_is_told_in_the_providers_format(
    stub: StubProvider, provider: str, status: int, kind: tuple[str, str], stream: bool
) -> None:
    response = send(stub, provider, directive(status=status, retry_after=7), stream=stream)

    assert (response.status, response.headers["retry-after"]) == (status, "7")
    assert response.json["error"][kind[0]] == kind[1]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_error_repeats_the_key_only_when_told(stub: StubProvider, provider: str) -> None:
    loud = send(stub, provider, directive(status=401, echo_key=1)).body
    quiet = send(stub, provider, directive(status=401)).body

    assert KEY.encode() in loud
    assert KEY.encode() not in quiet


def test_fail_times_then_bad_json_times_then_success(stub: StubProvider) -> None:
    text = directive(status=503, fail_times=2, bad_json_times=1, key="a", text="{}")
    other = directive(fail_times=1, key="b")

    statuses = [send(stub, "openai", text).status for _ in range(2)]
    answers = [send(stub, "openai", text).json["choices"][0]["message"]["content"] for _ in range(2)]

    assert statuses == [503, 503]
    assert answers == ['{"a": ', "{}"]
    assert send(stub, "openai", other).status == 500


@pytest.mark.parametrize("provider", PROVIDERS)
def test_break_after_closes_a_stream_without_its_end(stub: StubProvider, provider: str) -> None:
    response = send(stub, provider, directive(break_after=2, text="abcd", chunks=4), stream=True)

    assert not response.is_whole
    assert b'"b"' in response.body
    assert b'"c"' not in response.body
    assert stub.requests[0].outcome is Outcome.BROKEN
    assert stub.requests[0].usage is None


def test_break_after_cuts_a_plain_answer_in_its_body(stub: StubProvider) -> None:
    assert not send(stub, "openai", directive(break_after=0)).is_whole


def test_hang_after_falls_silent_until_the_client_leaves(stub: StubProvider) -> None:
    with socket.create_connection(("127.0.0.1", stub.port), timeout=0.1) as connection:
        ask_for_stream(connection, directive(hang_after=1, text="abcd"))
        received: list[bytes] = []
        with pytest.raises(TimeoutError):
            # An end of the stream would end the iteration, and no timeout would come.
            received.extend(iter(lambda: connection.recv(65536), b""))

    assert b'"a"' in b"".join(received)
    assert stub.requests[0].outcome is Outcome.HANGING


def test_keep_alive_sends_comments_into_the_silence(stub: StubProvider) -> None:
    with socket.create_connection(("127.0.0.1", stub.port), timeout=5) as connection:
        ask_for_stream(connection, directive(hang_after=1, text="abcd", keep_alive_s=0.001))
        received = b""
        while received.count(b": still here\n\n") < 3:
            received += connection.recv(65536)

    assert b'"a"' in received
    assert b'"b"' not in received


def ask_for_stream(connection: socket.socket, content: str) -> None:
    body = json.dumps({"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": content}]})
    head = f"POST /chat/completions HTTP/1.1\r\nhost: stub\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall((head + body).encode())


def test_refuse_closes_without_an_answer(stub: StubProvider) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        send(stub, "openai", directive(refuse=1))

    assert (stub.requests[0].status, stub.requests[0].outcome) == (None, Outcome.REFUSED)
