"""A stand-in for Prometheus' query API on a free port of the loopback: it answers with the counts that a test gives it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class FakeEngine:
    """Counts by series and hour, and values of single expressions by what they begin with."""

    url: str = ""
    hourly: dict[str, list[tuple[dict[str, str], datetime, Decimal]]] = field(default_factory=dict)
    """By series: labels, the hour's end, what was counted in it."""
    instant: dict[str, str] = field(default_factory=dict)
    """Values by a part of the expression; nothing for others."""
    asked: list[str] = field(default_factory=list)
    status: int = 200
    body: bytes | None = None
    """What is answered instead."""

    def count(self, series: str, end: datetime, value: str, **labels: str) -> None:
        self.hourly.setdefault(series, []).append((labels, end, Decimal(value)))

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        expression = query["query"][0]
        self.asked.append(expression)
        if self.body is not None:
            return self.body
        result = self._range(expression) if path.endswith("query_range") else self._instant(expression)
        return json.dumps({"status": "success", "data": {"result": result}}).encode()

    def _range(self, expression: str) -> list[Any]:
        return [
            {"metric": labels, "values": [[end.timestamp(), str(value)]]}
            for series, points in self.hourly.items()
            if f"({series}{{" in expression
            for labels, end, value in points
        ]

    def _instant(self, expression: str) -> list[Any]:
        values = [value for part, value in self.instant.items() if part in expression]
        return [{"metric": {}, "value": [0, value]} for value in values[:1]]


@contextmanager
def serving_engine() -> Iterator[FakeEngine]:
    engine = FakeEngine()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            body = engine.answer(self.path, parse_qs(sent))
            self.send_response(engine.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    engine.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
