"""Reliability: what fails, how fast the error budget burns, whether rows reach the database and telemetry its engines."""

from __future__ import annotations

from collections.abc import Callable

from agentcore_metering.telemetry import semconv
from grafana.generate.panels import (
    GREEN_THEN_RED,
    STACKED,
    Json,
    Panel,
    Row,
    dashboard,
    for_field,
    in_colour,
    query,
    stat,
)
from grafana.generate.promql import (
    CALLS,
    FAILED_CALLS,
    PROCESS,
    WITH_ERROR,
    or_none,
    or_zero,
    rate,
    select,
    share,
    total,
)
from grafana.generate.series import ERROR_TYPE, FAILURE_REASON, INSTANCE, MODEL, OUTCOME, PART, SERVICE
from grafana.generate.shared import CALL_VARIABLES, DATASOURCE, slow_traces_link

SLOW_S = "10.24"
"""The bound above which a call counts as slow: one that the histogram has. The alerts use the same."""


def build() -> Json:
    """The dashboard."""
    return dashboard(
        "reliability",
        "Reliability",
        "Errors and retries, service levels, and the two ways out of a process: rows to the database, telemetry to its engines.",
        [
            Row("Errors of providers", _errors()),
            Row("Service levels", _levels()),
            Row("Rows on their way to the database", _rows()),
            Row("Telemetry on its way", _telemetry()),
        ],
        [DATASOURCE, *CALL_VARIABLES],
    )


def _of_error(pattern: str) -> str:
    return f'{CALLS},{ERROR_TYPE}=~"{pattern}"'


def _errors() -> list[Panel]:
    failed = select(semconv.ATTEMPTS, WITH_ERROR)
    special = {
        "rate limited": _of_error(".*RateLimit.*"),
        "timed out": _of_error(".*Timeout.*"),
        "refused keys": _of_error(".*(Authentication|PermissionDenied).*"),
    }
    return [
        Panel(
            "Failed attempts by type",
            "Per second, by `error.type`. An attempt that was tried again is counted too.",
            [query(or_none(rate(failed, (ERROR_TYPE,)), ERROR_TYPE), f"{{{{{ERROR_TYPE}}}}}")],
            "reqps",
            custom=STACKED,
        ),
        Panel(
            "Failed attempts by model",
            "Per second. The link of a point leads to the traces of its model.",
            [query(or_none(rate(failed, (MODEL,)), MODEL), f"{{{{{MODEL}}}}}")],
            "reqps",
            custom=STACKED,
            defaults={"links": [slow_traces_link()]},
        ),
        Panel(
            "Rate limits, timeouts, refused keys",
            "Attempts per second that ended so.",
            [query(or_zero(rate(select(semconv.ATTEMPTS, where))), name) for name, where in special.items()],
            "reqps",
        ),
        Panel(
            "Retries by cause",
            "Attempts per second that another attempt of the same call followed, by the error of the first.",
            [query(or_none(rate(select(semconv.RETRIES), (ERROR_TYPE,)), ERROR_TYPE), f"{{{{{ERROR_TYPE}}}}}")],
            "reqps",
            custom=STACKED,
        ),
        Panel(
            "Calls by outcome",
            "Per second. Cancelled are calls that the caller gave up, a closed browser for example.",
            [query(rate(select(semconv.CALLS), (OUTCOME,)), f"{{{{{OUTCOME}}}}}")],
            "reqps",
            custom=STACKED,
            width=24,
            height=6,
            overrides=[in_colour("succeeded", "green"), in_colour("failed", "red"), in_colour("cancelled", "yellow")],
        ),
    ]


def _levels() -> list[Panel]:
    count = select(semconv.INFERENCE_DURATION, suffix="_count")
    fast = select(semconv.INFERENCE_DURATION, f'{CALLS},le="{SLOW_S}"', "_bucket")
    failed = select(semconv.CALLS, FAILED_CALLS)
    windows = ("5m", "1h", "6h")
    slow = {window: f"({rate(count, window=window)} - {rate(fast, window=window)})" for window in windows}
    return [
        Panel(
            "Burn of the latency budget",
            f"Share of calls slower than {SLOW_S} s, divided by the 1 % that may be. 1 spends the budget in its period, 14.4 in two days.",
            [
                query(or_zero(f"{slow[window]} / ({rate(count, window=window)} > 0) / 0.01"), window)
                for window in windows
            ],
            "short",
        ),
        Panel(
            "Burn of the error budget",
            "Share of failed calls, divided by the 1 % that may be.",
            [
                query(
                    f"({share(rate(failed, window=window), rate(select(semconv.CALLS), window=window))}) / 0.01", window
                )
                for window in windows
            ],
            "short",
        ),
    ]


def _rows() -> list[Panel]:
    def of(name: str) -> str:
        return select(name, PROCESS)

    return [
        stat(
            "Records on their way",
            "Of all processes, not yet in the database. Normally none waits for a second.",
            query(or_zero(f"sum ({of(semconv.SPOOL_RECORDS)})"), instant=True),
            "short",
            decimals=0,
        ),
        stat(
            "Oldest record",
            "How long the oldest of them has waited. An alert comes at a minute.",
            query(or_zero(f"max ({of(semconv.SPOOL_OLDEST_AGE)})"), instant=True),
            "s",
            thresholds=({"color": "green", "value": None}, {"color": "red", "value": 60}),
        ),
        stat(
            "Dropped",
            "Records that only the log has, in the chosen time. It must be 0.",
            query(or_zero(total(of(semconv.SPOOL_DROPPED))), instant=True),
            "short",
            thresholds=GREEN_THEN_RED,
            decimals=0,
        ),
        stat(
            "Quarantined",
            "Records that the database refused for good: see metering_quarantine.",
            query(or_zero(total(of(semconv.SPOOL_QUARANTINED))), instant=True),
            "short",
            thresholds=GREEN_THEN_RED,
            decimals=0,
        ),
        stat(
            "Interrupted",
            "Attempts of processes that died while the provider worked. Their cost is not known.",
            query(or_zero(total(of(semconv.SPOOL_INTERRUPTED))), instant=True),
            "short",
            decimals=0,
        ),
        stat(
            "Errors of metering",
            "Contained: none of them reached a call. The log has them.",
            query(or_zero(total(of(semconv.CONTAINED_ERRORS))), instant=True),
            "short",
            thresholds=GREEN_THEN_RED,
            decimals=0,
        ),
        Panel(
            "Rows written",
            "Records per second that the database took, and those it took after a repair alone.",
            [
                query(rate(of(semconv.SPOOL_WRITTEN)), "written"),
                query(rate(of(semconv.SPOOL_REPAIRED)), "of them repaired"),
            ],
            "wps",
            width=8,
        ),
        Panel(
            "Waiting",
            "Records on their way, by service; and on the right their size on disk. The alert names the process.",
            [
                query(f"sum by ({SERVICE}) ({of(semconv.SPOOL_RECORDS)})", f"{{{{{SERVICE}}}}}"),
                query(f"sum ({of(semconv.SPOOL_SIZE)})", "bytes"),
            ],
            "short",
            width=8,
            decimals=0,
            overrides=[for_field("bytes", unit="bytes", **{"custom.axisPlacement": "right"})],
        ),
        Panel(
            "Trouble on the way",
            "Per second: failed writes by reason, none of which loses a record, and errors of metering by part.",
            [
                query(
                    or_none(rate(of(semconv.PERSIST_FAILURES), (FAILURE_REASON,)), FAILURE_REASON),
                    f"write failed: {{{{{FAILURE_REASON}}}}}",
                ),
                query(or_none(rate(of(semconv.CONTAINED_ERRORS), (PART,)), PART), f"error in: {{{{{PART}}}}}"),
            ],
            "short",
            width=8,
        ),
    ]


def _telemetry() -> list[Panel]:
    attempts = select(semconv.ATTEMPTS, PROCESS)
    age = f"time() - max by ({INSTANCE}) (timestamp({attempts}))"
    return [
        stat(
            "Processes",
            "That have sent calls within the last five minutes, by service.instance.id.",
            query(or_zero(f"count (count by ({INSTANCE}) ({attempts}))"), instant=True),
            "short",
            decimals=0,
        ),
        stat(
            "Restarted series",
            "Counters that went back in the chosen time. Each process has an id of its own, so any of these are two processes that share "
            "one: their totals are wrong.",
            query(or_zero(f"sum (resets({attempts}[$__range]))"), instant=True),
            "short",
            thresholds=GREEN_THEN_RED,
            decimals=0,
        ),
        stat(
            "Counted as `other`",
            "Attempts of models beyond the bound on their number, or of attribute sets beyond the SDK's.",
            query(or_zero(total(select(semconv.ATTEMPTS, f'{PROCESS},{MODEL}="{semconv.MODEL_OTHER}"'))), instant=True),
            "short",
            decimals=0,
        ),
        stat(
            "Collector could not send",
            "Points and spans that the collector gave up in the chosen time.",
            query(_collector_total("otelcol_exporter_send_failed"), instant=True),
            "short",
            thresholds=GREEN_THEN_RED,
            decimals=0,
        ),
        stat(
            "Collector refused",
            "Points and spans that the collector did not take: it is at its memory limit.",
            query(_collector_total("otelcol_receiver_refused"), instant=True),
            "short",
            thresholds=GREEN_THEN_RED,
            decimals=0,
        ),
        stat(
            "Collector's queue",
            "How full the fullest queue of the collector is.",
            query(or_zero("max (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)"), instant=True),
            "percentunit",
        ),
        Panel(
            "Age of each process's last export",
            "A process that has ended grows old for five minutes and then is gone; one that lives and grows old cannot send.",
            [query(age, f"{{{{{INSTANCE}}}}}")],
            "s",
        ),
        Panel(
            "What the collector sends",
            "Points and spans per second, by exporter.",
            [
                query(_collector_rate("otelcol_exporter_sent_metric_points"), "points: {{exporter}}"),
                query(_collector_rate("otelcol_exporter_sent_spans"), "spans: {{exporter}}"),
            ],
            "short",
        ),
    ]


def _collector_total(prefix: str) -> str:
    """Of points and spans together."""
    return " + ".join(f"({or_zero(_either(total, f'{prefix}_{signal}'))})" for signal in ("metric_points", "spans"))


def _collector_rate(name: str) -> str:
    return _either(lambda counter: rate(counter, ("exporter",)), name)


def _either(of: Callable[[str], str], counter: str) -> str:
    """Of a collector's counter, which some releases give the suffix `_total`."""
    return f"({of(counter)}) or ({of(f'{counter}_total')})"
