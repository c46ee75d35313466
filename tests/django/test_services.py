"""What the older names do, each in one call as an existing project makes it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.utils.translation import get_language

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.adapters.django import conf as django_conf
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage, MeteringConfig
from agentcore_metering.adapters.django.services import (
    config_source,
    litellm_params,
    litellm_retry,
    metering_config,
    model_catalog,
    runtime_config,
    usage_aggregation,
    usage_chart_series,
    usage_list,
)
from agentcore_metering.adapters.django.trackers import llm
from agentcore_metering.core.errors import EmptyResponse
from example.stub_provider import StubProvider, directive
from tests.django.builders import KEY, make_stub_config, make_user
from tests.django.factories import make_config, make_usage
from tests.fakes import provider_error

pytestmark = pytest.mark.django_db

MESSAGES = [{"role": "user", "content": directive(in_=7, out=5, text="Hi there", chunks=2)}]


def test_default_configuration_is_set_and_named_as_text() -> None:
    assert config_source.get_default_llm_config_uuid() is None
    first, second = make_config(is_default=True), make_config()

    config_source.set_default_llm_config(second)

    assert second.is_default
    assert config_source.get_default_llm_config_uuid() == str(second.uuid)
    first.refresh_from_db()
    assert not first.is_default


def test_users_configuration_does_not_become_the_default() -> None:
    row = make_config(user=make_user())

    config_source.set_default_llm_config(row)

    assert not row.is_default


def test_configuration_from_the_database_is_a_plain_dict_with_its_key() -> None:
    assert config_source.get_config_from_db() is None
    row = make_config(config={"model": "m", "api_key": KEY})

    assert config_source.get_config_from_db() == {"provider": "openai", "config": {"model": "m", "api_key": KEY}}
    [listed] = config_source.get_config_list_from_db("global")
    assert (listed["uuid"], listed["config"]["api_key"]) == (str(row.uuid), KEY)
    assert config_source.get_config_list_from_db("user") == []
    with pytest.raises(ValueError, match="not found"):
        config_source.get_config_from_db(model_uuid=str(UUID(int=1)))


def test_litellm_params_are_those_of_the_configuration() -> None:
    make_config(config={"model": "m", "api_key": KEY, "request_timeout_seconds": 30})

    params = runtime_config.get_litellm_params()

    assert (params["model"], params["api_key"], params["timeout"], params["num_retries"]) == ("openai/m", KEY, 30, 3)
    assert (
        litellm_params.build_litellm_params_from_config("openai", {"model": "m", "api_key": KEY})["model"] == "openai/m"
    )


def test_litellm_params_can_be_patched_where_they_live() -> None:
    with mock.patch(f"{runtime_config.__name__}.get_litellm_params", return_value={"model": "x"}):
        assert runtime_config.get_litellm_params()["model"] == "x"


def test_validation_says_ok_or_a_key_that_has_a_text(stub: StubProvider) -> None:
    user = make_user()
    config = {"model": "gpt-4o-mini", "api_key": KEY, "api_base": stub.api_base(), "num_retries": 0}

    assert runtime_config.validate_llm_config("openai", config, user=user) == (True, "")
    assert runtime_config.validate_llm_config("openai", {"model": "m"})[1].startswith(
        "OpenAI configuration is incomplete."
    )
    dead = {**config, "api_base": "http://127.0.0.1:9/v1"}
    assert runtime_config.validate_llm_config("openai", dead) == (False, "network_error")
    assert set(LLMUsage.objects.values_list("node_name", flat=True)) == {"config_test"}


def test_message_of_a_key_leaves_the_language_alone() -> None:
    before = get_language()

    chinese = runtime_config.get_validation_message("invalid_api_key", language="zh-hans")

    assert not chinese.isascii()
    assert (
        runtime_config.get_validation_message("invalid_api_key")
        == runtime_config.VALIDATION_MESSAGE_IDS["invalid_api_key"]
    )
    assert runtime_config.get_validation_message("no key") == "no key"
    assert runtime_config.get_validation_message("") == ""
    assert get_language() == before


def test_friendly_exception_has_key_and_text() -> None:
    friendly = runtime_config.friendly_llm_exception(provider_error("RateLimitError", 429), language="zh-hans")

    assert friendly is not None
    assert friendly.error_key == "rate_limit"
    assert not str(friendly).isascii()
    assert runtime_config.friendly_llm_exception(Exception("?")) is None


def test_test_call_gives_text_and_usage_or_why_not(stub: StubProvider) -> None:
    row, user = make_stub_config(stub), make_user()
    prompt = MESSAGES[0]["content"]

    is_ok, text, usage = runtime_config.run_test_call(str(row.uuid), None, prompt, user)
    stream = runtime_config.run_test_call_stream(None, row.pk, prompt, user)

    assert (is_ok, text, (usage or {})["total_tokens"]) == (True, "Hi there", 12)
    assert "".join(stream) == "Hi there"
    assert runtime_config.run_test_call(None, row.pk, " ", user) == (False, "Prompt cannot be empty", None)
    assert runtime_config.run_test_call(str(UUID(int=1)), None, "Hi", user) == (False, "Config not found", None)
    assert runtime_config.run_test_call("no uuid", None, "Hi", user) == (False, "Config not found", None)
    empty = runtime_config.run_test_call(str(row.uuid), None, directive(empty=True), user)
    assert empty == (False, "LLM returned empty response", None)
    refused = runtime_config.run_test_call(str(row.uuid), None, directive(status=401), user)
    assert refused == (False, "invalid_api_key", None)


def test_stream_of_a_test_call_that_is_left_is_cancelled(stub: StubProvider) -> None:
    row = make_stub_config(stub)
    stream = runtime_config.run_test_call_stream(str(row.uuid), None, MESSAGES[0]["content"], None)

    next(stream)
    stream.close()

    assert LLMUsage.objects.get().status == "cancelled"


def test_catalogue_names_types_and_models() -> None:
    assert model_catalog.get_model_type_for_model_id("openai", "text-embedding-3-small") == "embedding"
    assert "vision" in (model_catalog.get_model_capabilities("openai", "gpt-4o-mini") or {})["capabilities"]
    assert model_catalog.get_model_capabilities("openai", "none") is None
    assert set(model_catalog.get_providers_with_models()) == {"providers", "capability_labels"}


def test_retryable_is_what_may_well_succeed_later() -> None:
    assert litellm_retry.is_retryable_exception(provider_error("RateLimitError", 429))
    assert not litellm_retry.is_retryable_exception(provider_error("AuthenticationError", 401))
    assert not litellm_retry.is_retryable_exception(EmptyResponse("nothing"))


def test_retry_delay_honours_the_provider_and_the_time_that_is_left() -> None:
    asking = provider_error("RateLimitError", 429, headers={"retry-after": "5"})

    assert 5.0 <= litellm_retry.calculate_retry_delay(asking, 0) <= 5.25
    assert litellm_retry.calculate_retry_delay(asking, 0, remaining_timeout=0.25) == 0.25
    assert 1.0 <= litellm_retry.calculate_retry_delay(provider_error("Timeout"), 1) <= 1.25


def test_stored_settings_are_read_and_written() -> None:
    metering_config.set_global_config("retention_days", 30)

    assert metering_config.get_global_config("retention_days") == 30
    assert metering_config.get_global_config("cleanup_enabled") is None
    assert MeteringConfig.objects.get().scope == "global"
    assert (django_conf.get_retention_days(), django_conf.get_cleanup_enabled()) == (30, True)
    assert django_conf.is_valid_crontab_expression("0 2 * * *")
    assert list(django_conf.get_cleanup_beat_schedule_init()) == ["agentcore-metering-cleanup-old-usage"]


def test_figures_are_those_of_the_api() -> None:
    row = make_usage(user=make_user())
    day = {"start_date": "2026-02-21", "end_date": "2026-02-21"}

    assert usage_list.get_llm_usage_list(model_filter="mini", **day)["total"] == 1
    assert usage_list.get_llm_usage_list(user_id=row.user_id, start_date=row.created_at)["results"][0]["id"] == str(
        row.id
    )
    assert usage_aggregation.get_summary_stats(**day)["total_tokens"] == 15
    assert usage_aggregation.get_stats_by_model(**day)[0]["model"] == "openai/gpt-4o-mini"
    assert sum(one["total_calls"] for one in usage_aggregation.get_time_series_stats("day", **day)) == 1
    assert usage_chart_series.get_series_for_charts("day", **day)[0]["call_count"] == 1
    assert usage_chart_series.get_series_for_charts("day") == []


def test_call_with_ready_arguments_is_metered(stub: StubProvider) -> None:
    make_stub_config(stub)
    params = {**runtime_config.get_litellm_params(), "messages": MESSAGES}
    state: dict[str, Any] = {"user_id": make_user().pk, "metadata": {"stage": "price"}}

    text, usage = LLMTracker._call_and_track_non_stream_once(
        params=params, effective_state=state, node_name="sync", state=state, model=params["model"]
    )
    message, _usage = LLMTracker._call_and_track_non_stream_once(
        params, state, "sync", state, params["model"], return_message=True
    )

    assert (text, usage["model"], usage["total_tokens"]) == ("Hi there", "openai/gpt-4o-mini", 12)
    assert message["content"] == "Hi there"
    assert [call["node"] for call in state["llm_calls"]] == ["sync", "sync"]
    row = LLMUsage.objects.filter(metadata__stage="price").order_by("created_at").first()
    assert row is not None
    assert (row.user_id, row.node_name, row.provider, row.request_model) == (
        state["user_id"],
        "sync",
        "openai",
        "gpt-4o-mini",
    )


def test_ready_arguments_that_fail_keep_their_key_out_of_row_and_error(stub: StubProvider) -> None:
    make_stub_config(stub)
    params = {**runtime_config.get_litellm_params(), "num_retries": 0}
    params["messages"] = [{"role": "user", "content": directive(status=401)}]
    state: dict[str, Any] = {}

    with pytest.raises(runtime_config.LLMProviderError) as raised:
        LLMTracker._call_and_track_non_stream_once(params, {}, "n", state, "m", friendly_errors=True)

    assert raised.value.error_key == "invalid_api_key"
    assert KEY not in str(raised.value.__cause__)
    assert KEY not in str(LLMUsage.objects.get().error)
    assert state["llm_calls"][0]["success"] is False


def test_row_by_hand_has_what_it_was_given() -> None:
    user = make_user()

    LLMTracker._save_usage_to_db(
        state={"user_id": user.pk}, node_name="mine", model="openai/m", prompt_tokens=3, completion_tokens=2,
        total_tokens=5, cached_tokens=1, reasoning_tokens=1, cost=0.25, cost_currency="CNY", success=True,
    )  # fmt: skip
    LLMTracker._save_usage_to_db(state=None, model="m", success=False, error="it broke", cost="no number")

    good, bad = LLMUsage.objects.order_by("-success")
    assert (good.user, good.node_name, good.total_tokens, str(good.cost), good.cost_currency) == (
        user,
        "mine",
        5,
        "0.250000000000",
        "CNY",
    )
    assert (bad.success, bad.error, bad.cost) == (False, "it broke", None)


def test_json_is_repaired_into_an_object_or_refused() -> None:
    assert llm._repair_json_obj('```json\n{"a": 1,}\n```') == '{"a": 1}'
    with pytest.raises(ValueError, match="no JSON object"):
        llm._repair_json_obj("[1]")


def test_message_payload_keeps_reasoning_and_the_reason_it_ended() -> None:
    message = SimpleNamespace(content=None, tool_calls=None, reasoning_content="Hmm")

    assert llm._assistant_message_payload(message, "stop") == {
        "role": "assistant",
        "content": "",
        "tool_calls": [],
        "finish_reason": "stop",
        "reasoning_content": "Hmm",
    }


def test_raise_friendly_raises_only_when_it_is_asked_to() -> None:
    error = provider_error("AuthenticationError", 401)
    llm._raise_friendly(error, False)

    with pytest.raises(runtime_config.LLMProviderError):
        llm._raise_friendly(error, True)


def test_patched_completion_is_what_the_tracker_calls() -> None:
    LLMConfig.objects.create(scope="global", config={"model": "m", "api_key": KEY})
    answer = SimpleNamespace(
        choices=[SimpleNamespace(message=SimpleNamespace(content="patched"))],
        usage=SimpleNamespace(prompt_tokens=1, completion_tokens=2, total_tokens=3),
        model="m",
    )

    with mock.patch("litellm.completion", return_value=answer):
        assert LLMTracker.call_and_track(messages=MESSAGES)[0] == "patched"
    with mock.patch("agentcore_metering.adapters.django.LLMTracker.call_and_track", return_value=("mine", {})):
        assert LLMTracker.call_and_track(messages=MESSAGES) == ("mine", {})
