"""A stand-in for an OpenTelemetry collector: takes OTLP over HTTP on a free port of the loopback and remembers it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What was sent, request by request."""

    endpoint: str = ""
    metrics: list[Any] = field(default_factory=list)
    traces: list[Any] = field(default_factory=list)

    def counts(self, metric_name: str) -> dict[str, float]:
        """By `service.instance.id` the last value of a counter, which is cumulative."""
        return {
            _instance(resource): sum(point.as_int or point.as_double for point in metric.sum.data_points)
            for request in self.metrics
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == metric_name
        }

    def spans(self) -> list[tuple[str, str]]:
        """`service.instance.id` and name of each span."""
        return [
            (_instance(resource), span.name)
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def services(self) -> set[str]:
        resources = [resource for request in self.metrics for resource in request.resource_metrics]
        return {_attributes(resource)["service.name"] for resource in resources}


def _attributes(resource: Any) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}


def _instance(resource: Any) -> str:
    return _attributes(resource)["service.instance.id"]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            is_metrics = self.path == "/v1/metrics"
            request: Any = ExportMetricsServiceRequest() if is_metrics else ExportTraceServiceRequest()
            request.ParseFromString(body)
            (collector.metrics if is_metrics else collector.traces).append(request)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
