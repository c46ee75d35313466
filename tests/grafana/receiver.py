"""In the place of Prometheus' own OTLP receiver, which Debian builds without: OTLP in, remote write out, exemplars included.

Names and labels follow Prometheus' default translation and the attributes that a configuration promotes. What arrives is handed on as it
is to a second receiver, so that the naming of another project is beside this one.
"""

from __future__ import annotations

import gzip
import math
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate, zip_longest
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.grafana.remote_write import Exemplar, Series, write

PATH = "/api/v1/otlp/v1/metrics"
_UNITS = {"s": "_seconds", "By": "_bytes", "1": "_ratio"}
_NANOSECONDS_IN_MS = 1_000_000


@dataclass
class Receiver:
    """Where OTLP is taken, and what the engine behind has refused."""

    endpoint: str = ""
    refused: list[str] = field(default_factory=list)


@contextmanager
def receiving(promoted: Sequence[str], write_url: str, beside: str | None = None) -> Iterator[Receiver]:
    """Take metrics, write them to `write_url` with the resource attributes `promoted` as labels, and hand them on to `beside` as they are."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            names = ("Content-Type", "Content-Encoding")
            headers = {name: self.headers[name] for name in names if self.headers[name]}
            if beside is not None:
                with urllib.request.urlopen(urllib.request.Request(beside, body, headers), timeout=10):
                    """It has taken them."""
            self.send_response(self._write(gzip.decompress(body) if "Content-Encoding" in headers else body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _write(self, request: bytes) -> int:
            try:
                write(write_url, series_of(request, promoted))
            except urllib.error.HTTPError as error:
                receiver.refused.append(error.read().decode())
                return error.code
            except OSError:
                return 503
            return 200

        def log_message(self, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.endpoint = f"http://127.0.0.1:{server.server_port}{PATH}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def series_of(body: bytes, promoted: Sequence[str]) -> list[Series]:
    """The series that an export request makes."""
    request = ExportMetricsServiceRequest.FromString(body)
    return [
        series
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for series in _of_metric(metric, _of_resource(_values(resource.resource.attributes), promoted))
    ]


def _of_resource(attributes: Mapping[str, str], promoted: Sequence[str]) -> dict[str, str]:
    identity = {"job": attributes["service.name"], "instance": attributes["service.instance.id"]}
    return identity | {_label(name): attributes[name] for name in promoted if name in attributes}


def _of_metric(metric: Any, resource: Mapping[str, str]) -> Iterator[Series]:
    kind = metric.WhichOneof("data")
    name = _label(metric.name) + _UNITS.get(metric.unit, "")
    for point in getattr(metric, kind).data_points:
        labels = {_label(key): value for key, value in _values(point.attributes).items()} | resource
        if kind == "histogram":
            yield from _of_histogram(name, labels, point)
        else:
            suffix = "_total" if kind == "sum" and metric.sum.is_monotonic else ""
            yield _series(f"{name}{suffix}", labels, point, point.as_int or point.as_double)


def _of_histogram(name: str, labels: Mapping[str, str], point: Any) -> Iterator[Series]:
    yield _series(f"{name}_sum", labels, point, point.sum)
    yield _series(f"{name}_count", labels, point, point.count)
    lower = -math.inf
    for count, upper in zip_longest(accumulate(point.bucket_counts), point.explicit_bounds, fillvalue=math.inf):
        inside = tuple(each for each in map(_exemplar, point.exemplars) if lower < each.value <= upper)
        yield _series(f"{name}_bucket", {**labels, "le": _bound(upper)}, point, count, inside)
        lower = upper


def _series(
    name: str, labels: Mapping[str, str], point: Any, value: float, exemplars: tuple[Exemplar, ...] = ()
) -> Series:
    return Series({**labels, "__name__": name}, value, point.time_unix_nano // _NANOSECONDS_IN_MS, exemplars)


def _exemplar(exemplar: Any) -> Exemplar:
    labels = {"trace_id": exemplar.trace_id.hex(), "span_id": exemplar.span_id.hex()}
    value = exemplar.as_int or exemplar.as_double
    return Exemplar(labels, value, exemplar.time_unix_nano // _NANOSECONDS_IN_MS)


def _bound(upper: float) -> str:
    if upper == math.inf:
        return "+Inf"
    return str(int(upper)) if upper.is_integer() else repr(upper)


def _label(name: str) -> str:
    return name.replace(".", "_")


def _values(attributes: Any) -> dict[str, str]:
    return {each.key: str(getattr(each.value, each.value.WhichOneof("value"))) for each in attributes}
