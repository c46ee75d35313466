"""Traffic for the example host: every kind of call, as real HTTP requests of its users. `python -m example.traffic --help`."""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from example.stub_provider import directive

REQUEST_TIMEOUT_S = 60.0
CHUNKS_BEFORE_LEAVING = 3

Configs = Mapping[str, str]
"""Configuration uuids by a name that the kinds below use; the user's own, or everybody's, where a kind names none."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One request to the host."""

    kind: str
    user: str
    body: Mapping[str, Any] = field(repr=False)
    leaves: bool = False
    """Whether the client goes away in the middle of the answer."""


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    user: str = "bob"
    directive: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    config: str | None = None
    leaves: bool = False


_STREAM = {"stream": True}

_KINDS = (
    _Kind("plain", directive={"in_": 420, "out": 120}),
    _Kind("plain, another user's model", "alice", {"in_": 900, "out": 210}),
    _Kind("plain, another currency", directive={"in_": 1500, "out": 300}, config="cny"),
    _Kind("stream", directive={"in_": 200, "out": 80, "chunks": 8}, body=_STREAM),
    _Kind("stream, another user's model", "alice", {"in_": 333, "out": 77, "chunks": 5}, _STREAM),
    _Kind("stream, another currency", directive={"in_": 64, "out": 9, "chunks": 3}, body=_STREAM, config="cny"),
    _Kind("tool call", directive={"in_": 150, "out": 25, "tool": "weather"}, body={"tools": True}),
    _Kind("cached and reasoning tokens", directive={"in_": 5000, "out": 900, "cached": 4096, "reasoning": 640}),
    _Kind("JSON, asked twice", directive={"in_": 70, "out": 30, "empty": 1, "fail_times": 1, "key": "json-{n}"}, body={"json": True}),
    _Kind("rate limited, then answered", directive={"status": 429, "retry_after": 0, "fail_times": 1, "key": "429-{n}", "in_": 50, "out": 5}),
    _Kind("refused key", "alice", {"status": 401, "echo_key": 1}),
    _Kind("broken stream", directive={"chunks": 6, "break_after": 3}, body=_STREAM),
    _Kind("client leaves mid-stream", directive={"chunks": 60, "chunk_delay_s": 0.03, "no_usage": 1}, body=_STREAM, leaves=True),
    _Kind("no price known", directive={"in_": 100, "out": 10}, config="unpriced"),
)  # fmt: skip


def wishes(count: int, configs: Configs, run: str = "") -> Iterator[Wish]:
    """`count` requests, going round through the kinds; kinds whose configuration is not in `configs` are left out.

    A kind that fails at first does so once for each `run`: to the provider a run of the same name is the same requests again.
    """
    kinds = [kind for kind in _KINDS if kind.config is None or kind.config in configs]
    for number in range(count):
        yield _wish(kinds[number % len(kinds)], number, configs, run)


def _wish(kind: _Kind, number: int, configs: Configs, run: str) -> Wish:
    keys = {
        name: value.format(n=f"{run}{number}") if isinstance(value, str) else value
        for name, value in kind.directive.items()
    }
    asked = f"Question {number}: what is new? {directive(**keys) if keys else ''}"
    body = {"prompt": asked, "node": kind.name.split(",")[0].replace(" ", "_"), **kind.body}
    if kind.config is not None:
        body["model_uuid"] = configs[kind.config]
    return Wish(kind.name, kind.user, body, kind.leaves)


class Host:
    """The host as its users reach it."""

    def __init__(self, base_url: str, passwords: Mapping[str, str]) -> None:
        parts = urlsplit(base_url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._passwords = passwords

    def ask(self, wish: Wish) -> str:
        """What came of it: `answered`, `failed` or `left`."""
        connection = self._send("POST", "/ask/", wish.user, wish.body)
        try:
            response = connection.getresponse()
            if wish.leaves:
                for _ in range(CHUNKS_BEFORE_LEAVING):
                    response.readline()
                return "left"
            text = response.read().decode()
            return "answered" if response.status == 200 and '"ok": false' not in text else "failed"
        finally:
            connection.close()

    def request(self, method: str, path: str, user: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of a request to the host's API."""
        connection = self._send(method, path, user, body)
        try:
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        return response.status, json.loads(text) if text else None

    def _send(self, method: str, path: str, user: str, body: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(*self._address, timeout=REQUEST_TIMEOUT_S)
        credentials = base64.b64encode(f"{user}:{self._passwords[user]}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return connection


def drive(
    host: Host, requests: Iterator[Wish], *, threads: int, on_done: Callable[[Wish, str], None], pause_s: float = 0.0
) -> None:
    """Send the requests from `threads` users at once, each waiting `pause_s` between two of his; tell each outcome."""

    def ask(wish: Wish) -> None:
        on_done(wish, host.ask(wish))
        if pause_s:
            time.sleep(pause_s)

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(ask, wish) for wish in requests]
        try:
            for future in futures:
                future.result()
        except BaseException:
            # Else an interrupt would wait until every request has been sent.
            pool.shutdown(cancel_futures=True)
            raise


def main() -> None:
    """Drive a running host from the command line."""
    parser = argparse.ArgumentParser(prog="python -m example.traffic", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the example host listens")
    parser.add_argument("--count", type=int, default=60, help="requests to send (default 60)")
    parser.add_argument("--threads", type=int, default=4, help="users at once (default 4)")
    parser.add_argument(
        "--pause", type=float, default=0.0, metavar="SECONDS", help="wait of each user between two requests"
    )
    parser.add_argument("--password", default="demo", help="of the users alice and bob")
    parser.add_argument("--config", action="append", default=[], metavar="NAME=UUID", help="cny=... or unpriced=...")
    options = parser.parse_args()
    configs = dict(pair.split("=", 1) for pair in options.config)
    host = Host(options.url, dict.fromkeys(("alice", "bob"), options.password))
    drive(
        host,
        wishes(options.count, configs, f"{uuid.uuid4().hex[:8]}-"),
        threads=options.threads,
        on_done=lambda wish, outcome: print(f"{outcome:9} {wish.kind}", file=sys.stderr),
        pause_s=options.pause,
    )


if __name__ == "__main__":
    main()
