"""The policy's keys and bounds, and the cache that knows which configurations are out of use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache

from agentcore_metering.adapters.django.config.fallback import DEFAULT_POLICY, FallbackPolicy, parse_fallback
from agentcore_metering.adapters.django.config.health import PolicyHealth, forget, is_usable, read_state
from agentcore_metering.core.errors import InvalidField

ONE, TWO = UUID(int=1), UUID(int=2)
POLICY = FallbackPolicy(cooldown_seconds=60)


class Now:
    """A wall clock in seconds that moves when it is told."""

    def __init__(self) -> None:
        self.at_s = 1_000_000.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def now() -> Iterator[Now]:
    cache.clear()
    yield Now()
    cache.clear()


def test_policy_of_no_keys_has_the_defaults() -> None:
    assert parse_fallback({}) == DEFAULT_POLICY
    assert DEFAULT_POLICY.as_json() == {
        "model_uuids": [],
        "inherit_global": False,
        "conditions": ["timeout", "rate_limit", "upstream_error", "connection_error", "quota_exhausted"],
        "timeout_seconds": 120,
        "retries": 0,
        "cooldown_seconds": 60,
        "auto_recover": True,
    }


def test_policy_reads_back_what_it_stores() -> None:
    policy = FallbackPolicy((str(ONE), str(TWO)), False, ("timeout",), 5, 1, 0, False)

    assert parse_fallback(policy.as_json()) == policy
    assert parse_fallback(None) is None


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([], "fallback"),
        ("x", "fallback"),
        ({"unknown": 1}, "fallback"),
        ({"model_uuids": [str(UUID(int=n)) for n in range(4)]}, "fallback.model_uuids"),
        ({"model_uuids": [str(ONE), str(ONE)]}, "fallback.model_uuids"),
        ({"model_uuids": ["one"]}, "fallback.model_uuids"),
        ({"model_uuids": [1]}, "fallback.model_uuids"),
        ({"model_uuids": [str(ONE)], "conditions": []}, "fallback.conditions"),
        ({"conditions": ["bad_luck"]}, "fallback.conditions"),
        ({"conditions": "timeout"}, "fallback.conditions"),
        ({"timeout_seconds": 4}, "fallback.timeout_seconds"),
        ({"timeout_seconds": 601}, "fallback.timeout_seconds"),
        ({"timeout_seconds": 5.5}, "fallback.timeout_seconds"),
        ({"retries": 2}, "fallback.retries"),
        ({"retries": True}, "fallback.retries"),
        ({"cooldown_seconds": -1}, "fallback.cooldown_seconds"),
        ({"cooldown_seconds": 3601}, "fallback.cooldown_seconds"),
        ({"auto_recover": "yes"}, "fallback.auto_recover"),
        ({"inherit_global": 1}, "fallback.inherit_global"),
        ({"inherit_global": True, "model_uuids": [str(ONE)]}, "fallback.model_uuids"),
    ],
)
def test_value_that_a_policy_does_not_take_names_its_field(value: Any, field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        parse_fallback(value)

    assert raised.value.field == field


def test_failed_configuration_is_passed_over_until_its_time_is_up(now: Now) -> None:
    PolicyHealth(POLICY, now).failed(ONE, "timeout")

    assert not is_usable(ONE, POLICY, now)
    assert is_usable(TWO, POLICY, now)
    assert read_state(ONE, now).as_json() == {"state": "cooling", "remaining_seconds": 60, "reason": "timeout"}
    now.at_s += 60
    assert read_state(ONE, now).state == "awaiting_request"
    assert is_usable(ONE, POLICY, now)


def test_after_a_cool_down_one_call_tries_and_the_others_wait_for_it(now: Now) -> None:
    health = PolicyHealth(POLICY, now)
    health.failed(ONE, "timeout")
    now.at_s += 61

    assert [is_usable(ONE, POLICY, now) for _ in range(3)] == [True, False, False]
    health.succeeded(ONE)
    assert [is_usable(ONE, POLICY, now) for _ in range(3)] == [True, True, True]


def test_without_recovery_it_is_out_of_use_until_it_is_reset(now: Now) -> None:
    policy = FallbackPolicy(cooldown_seconds=0, auto_recover=False)
    PolicyHealth(policy, now).failed(ONE, "rate_limit")
    now.at_s += 10 * 86_400

    assert not is_usable(ONE, policy, now)
    assert read_state(ONE, now).state == "manual_recovery"
    forget(ONE)
    assert is_usable(ONE, policy, now)
    assert read_state(ONE, now).as_json() == {"state": "ready", "remaining_seconds": 0}


def test_no_cool_down_means_that_nothing_is_passed_over(now: Now) -> None:
    policy = FallbackPolicy(cooldown_seconds=0)
    PolicyHealth(policy, now).failed(ONE, "timeout")

    assert is_usable(ONE, policy, now)


def test_on_an_event_loop_the_cache_is_told_by_a_thread(now: Now) -> None:
    async def fail() -> None:
        PolicyHealth(POLICY, now).failed(ONE, "timeout")
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(fail())

    assert not is_usable(ONE, POLICY, now)


def test_cache_that_is_away_passes_nothing_over(now: Now, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.django.config.test_fallback.BrokenCache"}}

    PolicyHealth(POLICY, now).failed(ONE, "timeout")

    assert is_usable(ONE, POLICY, now)
    assert read_state(ONE, now).as_json() == {"state": "unknown", "remaining_seconds": None}
    assert "ConnectionError" in caplog.text


class BrokenCache:
    """A cache server that is down."""

    def __init__(self, *_arguments: Any) -> None:
        """Django makes it with its location and its parameters."""

    def __getattr__(self, name: str) -> Any:
        if name == "close":
            return lambda **_kwargs: None
        raise ConnectionError(name)
