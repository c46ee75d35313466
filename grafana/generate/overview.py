"""LLM overview: what is called, what it costs, how fast it answers and what fails, from the metrics alone."""

from __future__ import annotations

from agentcore_metering.telemetry import semconv
from grafana.generate.panels import (
    GREEN_THEN_RED,
    STACKED,
    Json,
    Panel,
    Row,
    dashboard,
    for_field,
    query,
    stat,
    table,
)
from grafana.generate.promql import (
    CALLS,
    COSTS,
    FAILED_CALLS,
    TOKEN_CLASSES,
    WITH_ERROR,
    or_none,
    or_zero,
    rate,
    rate_quantile,
    select,
    share,
    share_by,
    token_class_rate,
    total,
    total_quantile,
)
from grafana.generate.series import COST_STATUS, ERROR_TYPE, MODEL, OPERATION, RESPONSE_MODEL
from grafana.generate.shared import CALL_VARIABLES, COST_VARIABLE, DATASOURCE, slow_traces_link

_LAG = "Exact up to the last export of each process; the rows in the database are what is billed by."
_BUCKETED = "From histogram buckets that double, so up to twice too coarse; compare it with itself."
_CALLS, _COST = select(semconv.CALLS), select(semconv.COST, COSTS)
_FAILED = select(semconv.CALLS, FAILED_CALLS)
_INPUT, _OUTPUT = select(semconv.INFERENCE_INPUT_TOKENS), select(semconv.INFERENCE_OUTPUT_TOKENS)
_CACHED = select(semconv.INFERENCE_CACHE_READ_INPUT_TOKENS)
_BY_MODEL = f"{{{{{MODEL}}}}}"


def build() -> Json:
    """The dashboard."""
    return dashboard(
        "overview",
        "LLM overview",
        "Calls, cost, latency and errors of every model, from the metrics that each process sends.",
        [
            Row("In the chosen time", _figures()),
            Row("Traffic and cost", _traffic()),
            Row("Latency", _latency()),
            Row("Errors and models", _errors()),
        ],
        [DATASOURCE, *CALL_VARIABLES, COST_VARIABLE],
    )


def _figures() -> list[Panel]:
    failed_share = share(total(_FAILED), total(_CALLS))
    return [
        stat(
            "Spend in $currency",
            f"Cost of all attempts in the chosen currency, failed ones that were billed included. {_LAG}",
            query(or_zero(total(_COST)), instant=True),
            "short",
            decimals=4,
        ),
        stat(
            "Calls",
            f"Calls that ended. A call with retries is one. {_LAG}",
            query(or_zero(total(_CALLS)), instant=True),
            "short",
            decimals=0,
        ),
        stat(
            "Failed calls",
            "Share of the calls that ended with an error. Calls that were cancelled are none.",
            query(failed_share, instant=True),
            "percentunit",
            thresholds=(
                {"color": "green", "value": None},
                {"color": "orange", "value": 0.01},
                {"color": "red", "value": 0.05},
            ),
        ),
        stat(
            "Input tokens",
            f"Cached ones included. {_LAG}",
            query(or_zero(total(_INPUT)), instant=True),
            "short",
        ),
        stat("Output tokens", f"Reasoning included. {_LAG}", query(or_zero(total(_OUTPUT)), instant=True), "short"),
        stat(
            "Input from cache",
            "Share of the input tokens that a provider read from its cache.",
            query(share(total(_CACHED), total(_INPUT)), instant=True),
            "percentunit",
        ),
        stat(
            "p95 duration",
            f"95 of 100 calls were faster, all of their attempts together. {_BUCKETED}",
            query(total_quantile(0.95, semconv.INFERENCE_DURATION), instant=True),
            "s",
        ),
        stat(
            "p95 to the first chunk",
            f"Of streamed calls. {_BUCKETED}",
            query(total_quantile(0.95, semconv.INFERENCE_TIME_TO_FIRST_CHUNK), instant=True),
            "s",
        ),
        stat(
            "Unpriced attempts",
            "Attempts that used tokens no price is known for: what they cost is in no figure here.",
            query(or_zero(total(select(semconv.ATTEMPTS, f'{CALLS},{COST_STATUS}="unpriced"'))), instant=True),
            "short",
            thresholds=GREEN_THEN_RED,
            decimals=0,
        ),
        stat(
            "Retries",
            "Attempts that another attempt of the same call followed.",
            query(or_zero(total(select(semconv.RETRIES))), instant=True),
            "short",
            decimals=0,
        ),
    ]


def _traffic() -> list[Panel]:
    return [
        Panel(
            "Calls by model",
            "Calls that ended, per second. The link of a point leads to the traces of its model.",
            [query(rate(_CALLS, (MODEL,)), _BY_MODEL)],
            "reqps",
            custom=STACKED,
            defaults={"links": [slow_traces_link()]},
        ),
        Panel(
            "Tokens by class",
            "Per second. The classes are disjoint: together they are all tokens, none is counted twice.",
            [query(token_class_rate(name), name) for name in TOKEN_CLASSES],
            "short",
            custom=STACKED,
        ),
        Panel(
            "Spend per hour by model, in $currency",
            "At the rate of the moment, in the chosen currency. Two currencies are never added.",
            [query(f"3600 * {rate(_COST, (MODEL,))}", _BY_MODEL)],
            "short",
            custom=STACKED,
        ),
        Panel(
            "Calls by operation",
            "Calls that ended, per second: chat, embeddings and so on.",
            [query(rate(_CALLS, (OPERATION,)), f"{{{{{OPERATION}}}}}")],
            "reqps",
            custom=STACKED,
        ),
    ]


def _latency() -> list[Panel]:
    duration, first_chunk = semconv.INFERENCE_DURATION, semconv.INFERENCE_TIME_TO_FIRST_CHUNK
    return [
        Panel(
            "Duration of calls",
            f"All attempts of a call together. Diamonds are exemplars: each leads to its trace. {_BUCKETED}",
            [
                query(rate_quantile(quantile, duration), f"p{round(quantile * 100)}", exemplar=quantile == 0.95)
                for quantile in (0.5, 0.95, 0.99)
            ],
            "s",
        ),
        Panel(
            "p95 duration by model",
            f"All attempts of a call together. {_BUCKETED}",
            [query(rate_quantile(0.95, duration, (MODEL,)), _BY_MODEL)],
            "s",
            defaults={"links": [slow_traces_link()]},
        ),
        Panel(
            "p95 to the first chunk, by model",
            f"From the start of a streamed call to its first text. {_BUCKETED}",
            [query(rate_quantile(0.95, first_chunk, (MODEL,)), _BY_MODEL)],
            "s",
        ),
        Panel(
            "p95 between chunks, by model",
            f"Time between successive chunks of a stream. {_BUCKETED}",
            [query(rate_quantile(0.95, semconv.INFERENCE_TIME_PER_OUTPUT_CHUNK, (MODEL,)), _BY_MODEL)],
            "s",
        ),
        Panel(
            "p95 duration of embeddings",
            f"Embeddings have a histogram of their own. {_BUCKETED}",
            [query(rate_quantile(0.95, semconv.EMBEDDINGS_DURATION, (MODEL,)), _BY_MODEL)],
            "s",
            width=24,
            height=6,
        ),
    ]


def _errors() -> list[Panel]:
    failed = rate(select(semconv.CALLS, WITH_ERROR), (ERROR_TYPE,))
    answered = f'{CALLS},{RESPONSE_MODEL}!=""'
    return [
        Panel(
            "Failed calls by type",
            "Per second, by `error.type`: the exception's class. `none` stays at 0 where nothing fails.",
            [query(or_none(failed, ERROR_TYPE), f"{{{{{ERROR_TYPE}}}}}")],
            "reqps",
            custom=STACKED,
        ),
        Panel(
            "Share of failed calls by model",
            "A model all of whose calls fail is there too, at 100 %.",
            [query(share_by(rate(_FAILED, (MODEL,)), rate(_CALLS, (MODEL,))), _BY_MODEL)],
            "percentunit",
            defaults={"min": 0, "max": 1},
        ),
        table(
            "Models",
            f"The ten models with the most calls. Cost is in the chosen currency, also that of 1,000 tokens. {_LAG}",
            _model_targets(),
            width=16,
            transformations=_model_columns(),
            overrides=[
                for_field("p95", unit="s"),
                for_field("Cost", decimals=6),
                for_field("Cost per 1k", decimals=6),
                *_narrow("Calls", "Tokens", "p95"),
            ],
        ),
        table(
            "Asked for and answered",
            "Which model the provider says has answered for the one that was asked for, with the attempts.",
            [
                query(
                    f"{total(select(semconv.ATTEMPTS, answered), (MODEL, RESPONSE_MODEL))} > 0",
                    instant=True,
                    table=True,
                )
            ],
            width=8,
            transformations=[_organize({MODEL: "Asked for", RESPONSE_MODEL: "Answered", "Value": "Attempts"})],
            overrides=_narrow("Attempts"),
        ),
    ]


def _narrow(*names: str) -> list[Json]:
    """Overrides for columns of figures, which leave the width to names of models."""
    return [for_field(name, **{"custom.width": 90}) for name in names]


def _model_targets() -> list[Json]:
    calls, cost = total(_CALLS, (MODEL,)), total(_COST, (MODEL,))
    tokens = f"({total(_INPUT, (MODEL,))} + {total(_OUTPUT, (MODEL,))})"
    expressions = (
        f"topk(10, {calls})",
        tokens,
        cost,
        f"1000 * {cost} / ({tokens} > 0)",
        total_quantile(0.95, semconv.INFERENCE_DURATION, (MODEL,)),
    )
    return [query(expression, instant=True, table=True) for expression in expressions]


def _model_columns() -> list[Json]:
    names = ("Calls", "Tokens", "Cost", "Cost per 1k", "p95")
    values = {f"Value #{chr(ord('A') + index)}": name for index, name in enumerate(names)}
    return [{"id": "merge", "options": {}}, _organize({MODEL: "Model", **values})]


def _organize(names: dict[str, str]) -> Json:
    return {
        "id": "organize",
        "options": {
            "excludeByName": {"Time": True},
            "indexByName": {name: index for index, name in enumerate(names)},
            "renameByName": names,
        },
    }
