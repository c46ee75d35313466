"""The tables of docs/telemetry.md are the registry's; its names exist and its settings are the real ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agentcore_metering.telemetry import bootstrap, content, metrics, neighbours, semconv
from agentcore_metering.telemetry.attributes import CostConvention

PAGE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text()


def _table(*rows: tuple[str, ...]) -> str:
    header, *others = rows
    lines = [header, tuple("---" for _ in header), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _attributes(registered: tuple[semconv.SpanAttribute, ...]) -> str:
    rows = [(f"`{attribute.name}`", attribute.type.value, attribute.when) for attribute in registered]
    return _table(("Attribute", "Type", "When"), *rows)


def _labels(instrument: semconv.Instrument) -> str:
    more = instrument.attributes[len(semconv.BASE) :]
    assert instrument.attributes[: len(semconv.BASE)] == semconv.BASE
    return ", ".join(["base", *(f"`{name}`" for name in more)])


def _instruments(registered: tuple[semconv.Instrument, ...]) -> str:
    rows = [
        (f"`{each.name}`", each.kind.value, f"`{each.unit}`", _labels(each), each.description) for each in registered
    ]
    return _table(("Metric", "Kind", "Unit", "Attributes", "What"), *rows)


def _side_channel() -> str:
    rows = [
        (
            f"`{each.name}`",
            each.kind.value,
            f"`{each.unit}`",
            "".join(f"`{name}`" for name in each.attributes),
            each.description,
        )
        for each in semconv.SIDE_CHANNEL_INSTRUMENTS
    ]
    return _table(("Metric", "Kind", "Unit", "Attribute", "What"), *rows)


TABLES = {
    "span attributes": _attributes(semconv.SPAN_ATTRIBUTES),
    "content attributes": _attributes(semconv.CONTENT_ATTRIBUTES),
    "metrics": _instruments(semconv.INSTRUMENTS),
    "metrics of v1.41": _instruments(semconv.LEGACY_INSTRUMENTS),
    "other names for the cost": _attributes(semconv.COST_ALIAS_ATTRIBUTES),
    "alias for the cost": _instruments(semconv.ALIAS_INSTRUMENTS),
    "metrics of the side-channel": _side_channel(),
    "base attributes": ", ".join(f"`{name}`" for name in semconv.BASE),
    "capture modes": " | ".join(mode.value for mode in content.ContentMode),
}


@pytest.mark.parametrize("expected", TABLES.values(), ids=list(TABLES))
def test_table_of_the_page_is_the_registrys(expected: str) -> None:
    assert expected in PAGE


def test_page_has_no_row_of_a_name_that_is_not_registered() -> None:
    named = set(re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE))
    attributes = {
        each.name for each in semconv.SPAN_ATTRIBUTES + semconv.CONTENT_ATTRIBUTES + semconv.COST_ALIAS_ATTRIBUTES
    }
    registered = (
        semconv.INSTRUMENTS + semconv.LEGACY_INSTRUMENTS + semconv.ALIAS_INSTRUMENTS + semconv.SIDE_CHANNEL_INSTRUMENTS
    )
    instruments = {each.name for each in registered}
    events = {semconv.RETRY_EVENT, semconv.EXCEPTION_EVENT, semconv.CONTENT_EVENT}
    keys = {name for names, _ in (semconv.UTIL_GENAI_INFERENCE, semconv.UTIL_GENAI_EMBEDDINGS) for name in names[:1]}

    keys |= {semconv.OPENLLMETRY_SUPPRESSION_KEY, "suppress_instrumentation"}
    packages = {each.package for each in neighbours.INSTRUMENTORS}

    assert named == attributes | instruments | events | keys | packages


@pytest.mark.parametrize("neighbour", neighbours.INSTRUMENTORS, ids=lambda each: each.module)
def test_page_says_what_each_neighbour_obeys(neighbour: neighbours.Instrumentor) -> None:
    counted = "twice" if neighbour.obeys is neighbours.Obeys.NOTHING else "once"

    assert re.search(
        rf"^\| `{neighbour.package}` \| {re.escape(neighbour.obeys)} \| [^|]+ \| {counted} \|", PAGE, re.MULTILINE
    )


@pytest.mark.parametrize("convention", CostConvention)
def test_page_names_each_convention_for_the_cost(convention: CostConvention) -> None:
    assert f"`{convention}`" in PAGE


@pytest.mark.parametrize(
    "value",
    [
        semconv.CAPTURE_CONTENT_ENV,
        f"`{semconv.STABILITY_OPT_IN_ENV}={semconv.STABILITY_OPT_IN_DUP}`",
        bootstrap.TEMPORALITY_ENV,
        f"{content.DEFAULT_MAX_CHARS:,} characters",
        f"{metrics.DEFAULT_MAX_MODELS} names",
        content.ContentPolicy.__name__,
        "pip install agentcore-metering-otel[otel]",
    ],
)
def test_page_names_the_switches_and_defaults(value: str) -> None:
    assert value in PAGE


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_code_on_the_page_compiles(block: str) -> None:
    compile(block, "docs/telemetry.md", "exec")
