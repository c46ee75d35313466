"""The HTTP server: sockets, threads and the order of bytes.

What is said is decided in `plans` and the provider modules; what was said is kept in `ledger`.
"""

from __future__ import annotations

import email
import email.policy
import json
import logging
import selectors
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from example.stub_provider import (
    anthropic,
    cohere,
    gemini,
    openai,
    openai_audio,
    openai_decisions,
    openai_responses,
    openai_small,
)
from example.stub_provider.ledger import Ledger, ReceivedRequest
from example.stub_provider.plans import Attempts, Outcome, Plan, make_plan
from example.stub_provider.wire import JsonObject, Request, dump

if TYPE_CHECKING:
    from types import TracebackType

    from example.stub_provider.wire import Endpoint

logger = logging.getLogger(__name__)

# The first one whose path ends the request's wins: "/chat/completions" must come before "/completions".
_ENDPOINTS: Final = (
    openai.ENDPOINT,
    openai_responses.ENDPOINT,
    openai_decisions.ENDPOINT,
    anthropic.ENDPOINT,
    gemini.ENDPOINT,
    cohere.ENDPOINT,
    *openai_audio.ENDPOINTS,
    *openai_small.ENDPOINTS,
)
_BASE_PATHS: Final = {"anthropic": "", "cohere": "", "gemini": "/v1beta"}
_POLL_S: Final = 0.02
_COMMENT: Final = b": still here\n\n"
"""What an event stream may hold and no client makes anything of."""


class StubProvider:
    """A running stub at `base_url`, within `with` or between `start()` and `stop()`; `port` 0 takes a free one.

    Stopping cuts every open connection, also those that hang or wait.
    """

    def __init__(self, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), daemon=True)
        self.ledger = Ledger()
        self.attempts = Attempts()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.disconnect_all()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def base_url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def api_base(self, provider: str = "openai") -> str:
        """The `api_base` to give LiteLLM for `provider`; all but Anthropic and Gemini are spoken to as OpenAI is."""
        return self.base_url + _BASE_PATHS.get(provider, "/v1")

    @property
    def connections_opened(self) -> int:
        """Connections accepted since the start: a client that reuses its own opens no new one."""
        return self._server.connections_opened

    @property
    def requests(self) -> tuple[ReceivedRequest, ...]:
        """All requests since the start or the last `clear()`, oldest first."""
        return self.ledger.entries()

    def clear(self) -> None:
        """Forgets the requests, the counts of every `key` and the number in the ids."""
        self.ledger.clear()
        self.attempts.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], stub: StubProvider) -> None:
        self.stub = stub
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._connections_lock = threading.Lock()
        self.connections_opened = 0
        super().__init__(address, _Handler)

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        # Entered here, by the accepting thread, so that stop() misses no connection that has just been accepted.
        thread = threading.Thread(target=self._converse, args=(request, client_address), daemon=True)
        with self._connections_lock:
            self._connections[request] = thread
            self.connections_opened += 1
        thread.start()

    def _converse(self, request: socket.socket, client_address: object) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._connections_lock:
                del self._connections[request]

    def disconnect_all(self) -> None:
        """Ends every connection and waits for its thread, so that nothing outlives the server."""
        with self._connections_lock:
            open_now = dict(self._connections)
        for connection in open_now:
            _shut(connection)
        for thread in open_now.values():
            thread.join(timeout=5)

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, ConnectionError):
            logger.debug("client %s left: %s", client_address, error)
        else:
            logger.error("cannot answer %s", client_address, exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered: headers and body leave in one segment, each event in its own

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        content_type = self.headers.get("content-type", "")
        self._serve(_form(content_type, body) if content_type.startswith("multipart/") else _json_object(body))

    def log_message(self, format: str, *args: object) -> None:
        logger.debug(format, *args)

    def _serve(self, body: JsonObject | None) -> None:
        path = urlsplit(self.path).path
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, headers, body or {})
        endpoint = _endpoint(request)
        if endpoint is None or body is None:
            plan = _unusable(request, "no such operation" if endpoint is None else "the body is not a JSON object")
        else:
            plan = make_plan(endpoint, request, self.server.stub.attempts)
        received = ReceivedRequest(
            path, headers, request.body, request.api_key, plan.status, plan.outcome, plan.usage, plan.cost
        )
        self.server.stub.ledger.enter(received)
        try:
            self._carry_out(plan)
        except ConnectionError:
            self.close_connection = True
            self.server.stub.ledger.amend(received, Outcome.CLIENT_LEFT)

    def _carry_out(self, plan: Plan) -> None:
        self._pause(plan.delay_s)
        if plan.status is None:
            self._cut()
        elif plan.events is not None:
            self._send_stream(plan)
        else:
            self._send_plain(plan)

    def _send_plain(self, plan: Plan) -> None:
        media_type = plan.media_type or "application/json"
        self._send_head(plan, ("content-type", media_type), ("content-length", str(len(plan.body))))
        if plan.stop_after is None:
            self.wfile.write(plan.body)
            self.wfile.flush()
        else:
            self.wfile.write(plan.body[: len(plan.body) // 2])
            self._stop_short(plan)

    def _send_stream(self, plan: Plan) -> None:
        self._send_head(plan, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        self.wfile.flush()
        sent = 0
        for event in plan.events or ():
            if event.is_delta and sent == plan.stop_after:
                break
            if event.is_delta and sent:
                self._pause(plan.chunk_delay_s)
            self._send_chunk(event.data)
            sent += event.is_delta
            if event.is_delta and sent == plan.stop_after:
                break
        if plan.stop_after is not None:
            self._stop_short(plan)
        else:
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()

    def _send_head(self, plan: Plan, *headers: tuple[str, str]) -> None:
        # send_response() would add the date and the Python version, which differ between runs.
        self.send_response_only(plan.status or 500)
        for name, value in (*headers, *plan.headers):
            self.send_header(name, value)
        self.end_headers()

    def _stop_short(self, plan: Plan) -> None:
        self.wfile.flush()
        if plan.outcome is Outcome.HANGING:
            is_kept_alive = plan.events is not None and plan.keep_alive_s > 0
            while not _has_left(self.connection, plan.keep_alive_s if is_kept_alive else None):
                self._send_chunk(_COMMENT)
        self._cut()

    def _send_chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def _pause(self, delay_s: float) -> None:
        if delay_s and _has_left(self.connection, delay_s):
            raise ConnectionAbortedError("the client left while the stub was waiting")

    def _cut(self) -> None:
        self.close_connection = True
        _shut(self.connection)


def _json_object(body: bytes) -> JsonObject | None:
    try:
        payload = json.loads(body)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def _form(content_type: str, body: bytes) -> JsonObject:
    """The fields of a multipart form; of a file its name and size."""
    head = f"content-type: {content_type}\r\n\r\n".encode()
    fields: JsonObject = {}
    for part in email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts():
        name, filename = (part.get_param(key, header="content-disposition") for key in ("name", "filename"))
        content = part.get_payload(decode=True)
        size_bytes = len(content) if isinstance(content, bytes) else 0
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
        fields[str(name)] = text if filename is None else {"filename": str(filename), "size_bytes": size_bytes}
    return fields


def _endpoint(request: Request) -> Endpoint | None:
    matches = (one for one in _ENDPOINTS if one.method == request.method and one.path.search(request.path))
    return next(matches, None)


def _unusable(request: Request, reason: str) -> Plan:
    status = 404 if reason.startswith("no such") else 400
    message = f"stub provider: {reason}: {request.method} {request.path}"
    return Plan(status, Outcome.ERROR, body=dump({"error": {"message": message, "type": "invalid_request_error"}}))


def _has_left(connection: socket.socket, timeout_s: float | None) -> bool:
    """Whether the peer closes `connection` within `timeout_s` (None: waits for it). stop() counts as closing."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        if not selector.select(timeout_s):
            return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except ConnectionResetError:
        return True


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        logger.debug("already closed: %s", error)
