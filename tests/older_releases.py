"""What the oldest supported releases of others cannot do, so that the suite runs with them: tests that are skipped there, and why.

`docs/dependencies.md` tells the same to users. A test that only assumed a newer release is mended instead; nothing here is a defect
of ours.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

import pytest

__all__ = ["LIMITS", "Limit", "pass_over_warnings", "skip_what_is_too_old"]


@dataclass(frozen=True, slots=True)
class Limit:
    """Something that a package does right since a release; the one that was tried, an earlier one may do it too."""

    package: str
    since: str
    reason: str
    tests: str
    """A regular expression that the ids of the tests match, from the beginning."""

    def is_met(self) -> bool:
        """Whether the installed release is older."""
        return _numbers(version(self.package)) < _numbers(self.since)


_OPERATIONS = r"tests/django/trackers/test_operations\.py::"

LIMITS = (
    Limit(
        "litellm",
        "1.92.0",
        "the bundled price map has no price for cache writes that last an hour, so such calls are unpriced",
        r"tests/core/test_price_map\.py::test_the_live_map_has_the_pinned_prices\[claude-sonnet-4-5\]"
        r"|tests/django/trackers/test_exact_costs\.py::test_cache_writes_of_both_durations",
    ),
    Limit(
        "litellm",
        "1.97.0",
        "an async answer whose connection breaks in the middle is taken for whole",
        rf"{_OPERATIONS}test_a_failure_is_one_failed_row_and_one_request\[broken-.*-async\]"
        rf"|{_OPERATIONS}test_a_stream_that_breaks_keeps_what_came\[.*-async\]"
        r"|tests/django/instrumentation/test_calls\.py::test_a_stream_that_breaks_keeps_what_came\[.*-async\]",
    ),
    Limit(
        "litellm",
        "1.99.3",
        "the thinking tokens of Anthropic's models are not told apart from other output",
        r"tests/django/trackers/test_llm\.py::test_a_call_leaves_three_traces_that_agree\[anthropic-"
        r"|tests/example/test_stub_through_litellm\.py::test_completion_.*\[anthropic",
    ),
    Limit(
        "litellm",
        "1.102.0",
        "the chunks of a stream name the model that was asked for, not the one that answered",
        r"tests/django/trackers/test_golden\.py::test_telemetry_of_a_call_is_the_golden_one\[(stream|cancelled)\]",
    ),
    Limit(
        "litellm",
        "1.102.0",
        "each failure of a rerank is an APIConnectionError, whatever the provider said",
        rf"{_OPERATIONS}test_a_failure_is_one_failed_row_and_one_request\[.*-rerank-|{_OPERATIONS}test_friendly_errors_translate\[rerank",
    ),
    Limit(
        "litellm",
        "1.102.0",
        "an embedding is sent with an encoding_format that nobody asked for",
        rf"{_OPERATIONS}test_nothing_that_is_litellms_own_is_sent_to_the_provider\[embedding\]",
    ),
    Limit(
        "litellm",
        "1.110.2",
        "the bundled price map has other prices for Azure's regional deployments, and none for Gemini's flex tier",
        r"tests/django/trackers/test_exact_costs\.py::test_an_azure_deployment_is_charged_as_the_model_that_answered"
        r"|tests/django/management/test_pricing_commands\.py::test_prices_of_a_model_name_its_tiers_and_lengths",
    ),
    Limit(
        "djangorestframework",
        "3.18.3",
        "a body in a charset that is no text encoding, such as rot13, is answered with 500",
        r"tests/django/api/test_hostile_requests\.py::.*(form|json) in (rot13|undefined|base64)",
    ),
)


WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    # Whichever test runs when they are collected would fail.
    ("Unclosed (client session|connector|connection)", ResourceWarning),
    ("coroutine 'Logging\\.", RuntimeWarning),
    # By a thread of theirs while hypothesis draws.
    ("Do not use the .random. module inside strategies", Warning),
)
"""What older LiteLLM leaves behind: clients that nobody closes, coroutines that nobody awaits."""


def pass_over_warnings(config: pytest.Config) -> None:
    """Let the warnings of older releases fail no test."""
    if any(limit.is_met() for limit in LIMITS):
        for message, category in WARNINGS:
            config.addinivalue_line("filterwarnings", f"ignore:{message}:{category.__name__}")
            # Those lines are read before each test. What is collected as the run ends meets the filters that hold now.
            warnings.filterwarnings("ignore", message, category)


def skip_what_is_too_old(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that the installed releases cannot pass."""
    met = [limit for limit in LIMITS if limit.is_met()]
    for item in items:
        for limit in met:
            if re.match(limit.tests, item.nodeid):
                item.add_marker(pytest.mark.skip(reason=f"{limit.package} before {limit.since}: {limit.reason}"))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
