"""Names of the registry become the series that Prometheus makes of them."""

from __future__ import annotations

import pytest

from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.prometheus import emitted, family, label

BY_NAME = {each.name: each for each in semconv.INSTRUMENTS + semconv.SIDE_CHANNEL_INSTRUMENTS}

# As measured behind Prometheus 3 and VictoriaMetrics.
MEASURED = [
    (semconv.COST, "agentcore_metering_cost_total"),
    (semconv.CALLS, "agentcore_metering_calls_total"),
    (semconv.INFERENCE_DURATION, "gen_ai_client_inference_duration_seconds"),
    (semconv.INFERENCE_OPERATION_INPUT_TOKENS, "gen_ai_client_inference_operation_input_tokens"),
    (semconv.INFERENCE_INPUT_TOKENS, "gen_ai_client_inference_usage_input_tokens_total"),
    (semconv.SPOOL_RECORDS, "agentcore_metering_spool_records"),
    (semconv.SPOOL_SIZE, "agentcore_metering_spool_size_bytes"),
    (semconv.SPOOL_OLDEST_AGE, "agentcore_metering_spool_oldest_age_seconds"),
    (semconv.SPOOL_DROPPED, "agentcore_metering_spool_dropped_total"),
]


@pytest.mark.parametrize(("name", "series"), MEASURED)
def test_series_of_an_instrument_is_what_was_measured(name: str, series: str) -> None:
    assert family(BY_NAME[name]) == series


@pytest.mark.parametrize("instrument", BY_NAME.values(), ids=lambda each: each.name)
def test_units_are_those_whose_suffix_is_known(instrument: semconv.Instrument) -> None:
    """A bare unit such as USD would become a part of the name."""
    assert instrument.unit in (semconv.SECONDS, semconv.BYTES) or instrument.unit.startswith("{")


def test_attributes_become_labels() -> None:
    assert label("gen_ai.usage.cost.currency") == "gen_ai_usage_cost_currency"


def test_series_have_the_labels_of_their_instrument_and_of_the_resource() -> None:
    labels = emitted()["agentcore_metering_cost_total"]

    assert {"gen_ai_request_model", "gen_ai_usage_cost_currency", "service_name", "service_instance_id"} <= labels
    assert "user_id" not in labels
