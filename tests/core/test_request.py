"""Configuration and arguments become what LiteLLM is given."""

from __future__ import annotations

from typing import Any

import pytest

from agentcore_metering.core.arguments import CallArguments, OperationArguments, require_messages
from agentcore_metering.core.errors import ConfigError, RequestError
from agentcore_metering.core.request import RequestPolicy, build_request, litellm_params
from agentcore_metering.core.types import CallRequest, ConfigScope, ModelConfig

MESSAGES = [{"role": "user", "content": "hi"}]


def make_config(provider: str = "openai", **options: Any) -> ModelConfig:
    return ModelConfig(
        provider, {"api_key": "k-123456", "model": "gpt-4o-mini", **options}, ConfigScope.GLOBAL, secrets=("k-123456",)
    )


def make_built(config: ModelConfig | None = None, **arguments: Any) -> CallRequest:
    return build_request(config or make_config(), CallArguments(messages=MESSAGES, **arguments))


def make_operation(function: str, config: ModelConfig | None = None, **given: Any) -> CallRequest:
    return build_request(config or make_config(), OperationArguments(function, given))


@pytest.mark.parametrize(
    ("provider", "model", "litellm_model", "request_model"),
    [
        ("openai", "gpt-4o-mini", "openai/gpt-4o-mini", "gpt-4o-mini"),
        ("openai", "openai/gpt-4o-mini", "openai/gpt-4o-mini", "gpt-4o-mini"),
        ("openai_compatible", "qwen/qwen3", "openai/qwen/qwen3", "qwen/qwen3"),
        ("gemini", "gemini-2.5-flash", "gemini/gemini-2.5-flash", "gemini-2.5-flash"),
        ("moonshot", "kimi-k2", "moonshot/kimi-k2", "kimi-k2"),
        ("moonshot", "moonshot/kimi-k2", "moonshot/kimi-k2", "kimi-k2"),
        ("nvidia_nim", "meta/llama3-8b", "nvidia_nim/meta/llama3-8b", "meta/llama3-8b"),
        (
            "openrouter",
            "google/gemma-2-9b-it:free",
            "openrouter/google/gemma-2-9b-it:free",
            "google/gemma-2-9b-it:free",
        ),
        ("openrouter", "openai/gpt-4o-mini", "openrouter/openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        (
            "openrouter",
            "anthropic/claude-haiku-4-5",
            "openrouter/anthropic/claude-haiku-4-5",
            "anthropic/claude-haiku-4-5",
        ),
        ("groq", "llama-3.1-8b-instant", "groq/llama-3.1-8b-instant", "llama-3.1-8b-instant"),
    ],
)
def test_model_gets_the_providers_prefix_once(
    provider: str, model: str, litellm_model: str, request_model: str
) -> None:
    request = make_built(make_config(provider, model=model, api_base="http://host/v1"))

    assert request.arguments["model"] == request.target.litellm_model == litellm_model
    assert request.target.request_model == request_model


def test_azure_uses_the_deployment() -> None:
    params = litellm_params(
        "azure_openai",
        {
            "api_key": "k",
            "api_base": "https://x.openai.azure.com",
            "deployment": "prod",
            "model": "gpt-4o",
            "api_version": "v1",
        },
    )

    assert params["model"] == "azure/prod"
    assert params["api_version"] == "v1"


def test_a_gateway_is_called_by_the_openai_protocol() -> None:
    params = litellm_params("openai_compatible", {"api_key": "k", "api_base": "http://host/v1", "model": "m"})

    assert params["custom_llm_provider"] == "openai"


def test_only_what_is_configured_or_passed_is_sent() -> None:
    assert set(make_built().arguments) == {"model", "api_key", "timeout", "drop_params", "messages"}


def test_arguments_win_over_the_configuration_and_zeros_are_kept() -> None:
    request = make_built(make_config(temperature=0.9, max_tokens=10), temperature=0.0, max_tokens=0)

    assert (request.arguments["temperature"], request.arguments["max_tokens"]) == (0.0, 0)
    assert request.parameters == {"temperature": 0.0, "max_tokens": 0}


def test_the_hosts_own_keys_stay_here() -> None:
    request = make_built(make_config(vision=True, fallback_model_uuids=["x"]))

    assert not {"vision", "fallback_model_uuids"} & set(request.arguments)


def test_messages_are_forwarded_as_the_same_object() -> None:
    assert make_built().arguments["messages"] is MESSAGES


def test_empty_tools_are_passed_on() -> None:
    assert make_built(tools=[]).arguments["tools"] == []


def test_a_stream_asks_for_its_usage() -> None:
    request = make_built(is_streaming=True)

    assert request.arguments["stream"] is True
    assert request.arguments["stream_options"] == {"include_usage": True}
    assert request.target.is_streaming


def test_litellms_metadata_and_trace_header_go_where_its_callbacks_look() -> None:
    request = make_built(litellm_metadata={"session_id": "s"}, traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")

    assert request.arguments["metadata"] == {"session_id": "s"}
    assert request.arguments["proxy_server_request"]["headers"]["traceparent"].startswith("00-111")


@pytest.mark.parametrize(
    ("provider", "options", "text"),
    [
        ("openai", {}, "OpenAI configuration is incomplete. Set api_key."),
        ("azure_openai", {"api_key": "k"}, "Azure OpenAI configuration is incomplete. Set api_key and api_base."),
        ("openai_compatible", {"api_key": "k"}, "Set api_key and api_base."),
        ("nobody", {}, "Set api_key."),
        ("openai_compatible", {"api_key": "k", "api_base": "http://host"}, "names no usable model: None"),
        ("openai", {"api_key": "k", "model": 5}, "names no usable model: 5"),
        ("openai", {"api_key": "k", "num_retries": -1}, "num_retries"),
        ("openai", {"api_key": "k", "num_retries": 1.5}, "num_retries"),
        ("openai", {"api_key": "k", "num_retries": True}, "num_retries"),
        ("openai", {"api_key": "k", "num_retries": "many"}, "num_retries"),
        ("openai", {"api_key": "k", "num_retries": 11}, "num_retries"),
        ("openai", {"api_key": "k", "num_retries": "²"}, "num_retries"),
        ("openai", {"api_key": "k", "num_retries": "9" * 5_000}, "num_retries"),
        ("openai", {"api_key": "k", "num_retries": float("nan")}, "num_retries"),
        ("openai", {"api_key": "k", "request_timeout_seconds": 0}, "request_timeout_seconds"),
        ("openai", {"api_key": "k", "request_timeout_seconds": "soon"}, "request_timeout_seconds"),
        ("agione", {"api_key": "k", "model": "m"}, "AGIOne configuration is incomplete. Set api_key and api_base."),
        (
            "litellm_proxy",
            {"api_key": "k", "model": "m"},
            "LiteLLM Proxy configuration is incomplete. Set api_key and api_base.",
        ),
    ],
)
def test_an_unusable_configuration_says_what_to_set(provider: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text.replace(".", r"\.")):
        litellm_params(provider, options)


@pytest.mark.parametrize(("value", "expected"), [(None, 3), (0, 0), ("2", 2), (10, 10), (3.0, 3)])
def test_num_retries(value: Any, expected: int) -> None:
    assert make_built(make_config(num_retries=value)).max_retries == expected


@pytest.mark.parametrize(("value", "expected"), [(None, 180), (30, 30), ("45", 45)])
def test_timeout_is_a_constant_of_the_configuration(value: Any, expected: int) -> None:
    request = make_built(make_config(request_timeout_seconds=value))

    assert request.timeout_s == request.arguments["timeout"] == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("api.openai.com", 443)),
        ({"api_base": "http://127.0.0.1:9100/v1"}, ("127.0.0.1", 9100)),
        ({"api_base": "http://gateway/v1"}, ("gateway", 80)),
        ({"api_base": "http://[broken"}, (None, None)),
    ],
)
def test_server_address_and_port(options: dict[str, Any], expected: tuple[str | None, int | None]) -> None:
    target = make_built(make_config(**options)).target

    assert (target.server_address, target.server_port) == expected


@pytest.mark.parametrize("messages", [None, [], ()])
def test_no_messages_is_refused(messages: Any) -> None:
    with pytest.raises(RequestError, match="cannot be empty"):
        require_messages(messages)


def test_neither_key_nor_content_is_in_any_repr() -> None:
    request = make_built()

    assert "k-123456" not in repr(request) + repr(make_config())
    assert "hi" not in repr(request).replace("chat", "")


def test_a_configured_tier_is_asked_for_and_a_currency_stays_here() -> None:
    request = make_built(make_config(service_tier="flex", cost_currency="CNY"))

    assert (request.target.requested_service_tier, request.target.cost_currency) == ("flex", "CNY")
    assert request.arguments["service_tier"] == "flex"
    assert "cost_currency" not in request.arguments


@pytest.mark.parametrize("currency", ["yuan", "cny", 5, "CNYX"])
def test_a_currency_that_is_none_is_refused(currency: Any) -> None:
    with pytest.raises(ConfigError, match="ISO 4217"):
        make_built(make_config(cost_currency=currency))


@pytest.mark.parametrize("key", ["stream_idle_timeout_seconds", "stream_total_timeout_seconds"])
@pytest.mark.parametrize("value", [0, -1, True, "soon", "inf", float("nan"), 10**400])
def test_an_impossible_stream_limit_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{key} must be a number of seconds above 0"):
        make_built(make_config(**{key: value}))


def test_stream_limits_are_the_configurations() -> None:
    request = make_built(make_config(stream_idle_timeout_seconds="7.5", stream_total_timeout_seconds=600))

    assert (request.idle_timeout_s, request.total_timeout_s) == (7.5, 600.0)
    assert not {"stream_idle_timeout_seconds", "stream_total_timeout_seconds"} & set(request.arguments)


def test_a_foreign_prefix_names_the_real_provider_and_not_the_configured_ones_endpoint() -> None:
    target = make_built(make_config(model="groq/llama-3.1-8b")).target

    assert (target.provider, target.provider_name, target.request_model) == ("openai", "groq", "llama-3.1-8b")
    assert (target.server_address, target.server_port) == (None, None)


def test_a_regional_endpoint_is_not_sent_to_another_vendor() -> None:
    assert "api_base" in litellm_params("dashscope", {"api_key": "k", "model": "qwen-turbo"})
    assert "api_base" not in litellm_params("dashscope", {"api_key": "k", "model": "openai/gpt-4o"})


@pytest.mark.parametrize("provider", ["bedrock", "vertex_ai", "ollama"])
def test_providers_with_other_credentials_need_no_api_key(provider: str) -> None:
    assert litellm_params(provider, {"model": "m"})["model"] == f"{provider}/m"


def test_credentials_of_every_kind_are_passed_on() -> None:
    config = {
        "model": "m",
        "aws_region_name": "eu-west-1",
        "aws_secret_access_key": "s",
        "vertex_project": "p",
        "azure_ad_token": "t",
        "extra_headers": {"x": "1"},
        "extra_body": {"y": 2},
        "organization": "o",
    }

    assert set(config) <= set(litellm_params("bedrock", config))


def test_a_functions_sampling_keys_have_its_own_names_and_others_get_none() -> None:
    config = make_config(max_tokens=9, temperature=0.5)

    assert make_operation("responses", config, input="hi").arguments["max_output_tokens"] == 9
    assert make_operation("responses", config, input="hi").parameters == {"max_tokens": 9, "temperature": 0.5}
    assert not {"max_tokens", "temperature"} & set(make_operation("embedding", config, input="hi").arguments)


def test_a_model_named_in_the_call_wins_and_is_routed_alike() -> None:
    config = make_config("azure_openai", api_base="http://host", deployment="chat")

    request = make_operation("embedding", config, input="hi", model="vectors")

    assert request.target.litellm_model == request.arguments["model"] == "azure/vectors"


def test_headers_and_bodies_of_call_and_configuration_are_joined() -> None:
    config = make_config(extra_headers={"a": "1", "b": "1"}, extra_body={"c": 1})

    request = make_operation("embedding", config, input="hi", extra_headers={"b": "2"}, extra_body={"d": 2})

    assert request.arguments["extra_headers"] == {"a": "1", "b": "2"}
    assert request.arguments["extra_body"] == {"c": 1, "d": 2}


def test_litellms_metadata_of_a_response_is_not_the_providers() -> None:
    arguments = OperationArguments("responses", {"input": "hi"}, litellm_metadata={"session_id": "s"})

    sent = build_request(make_config(), arguments).arguments

    assert sent["litellm_metadata"] == {"session_id": "s"}
    assert "metadata" not in sent


@pytest.mark.parametrize(
    ("provider", "model", "effort", "thinking"),
    [
        ("deepseek", "deepseek-chat", "none", {"type": "disabled"}),
        ("openai_compatible", "deepseek/deepseek-v4", "none", {"type": "disabled"}),
        ("deepseek", "deepseek-chat", "low", None),
        ("openai", "gpt-5", "none", None),
    ],
)
def test_deepseeks_thinking_is_turned_off_by_name(
    provider: str, model: str, effort: str, thinking: dict[str, str] | None
) -> None:
    sent = make_built(make_config(provider, model=model, api_base="http://host"), reasoning_effort=effort).arguments

    assert sent["reasoning_effort"] == effort
    assert sent.get("extra_body", {}).get("thinking") == thinking


def test_what_the_configuration_says_of_thinking_stays() -> None:
    config = make_config("deepseek", model="deepseek-chat", extra_body={"thinking": {"type": "enabled"}, "x": 1})

    sent = make_built(config, reasoning_effort="none").arguments

    assert sent["extra_body"] == {"thinking": {"type": "enabled"}, "x": 1}


def test_the_prefixes_of_thinking_models_are_the_hosts() -> None:
    arguments = CallArguments(messages=MESSAGES, reasoning_effort="none")

    sent = build_request(make_config(model="gpt-5"), arguments, RequestPolicy(thinking_off_prefixes=("openai/gpt-5",)))

    assert sent.arguments["extra_body"] == {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(("tools", "effort"), [([{"type": "function"}], "none"), ([], "high"), (None, "high")])
def test_gpt_6_takes_tools_without_reasoning_only(tools: Any, effort: str) -> None:
    request = make_built(make_config(model="gpt-6-luna"), tools=tools, reasoning_effort="high")

    assert request.arguments["reasoning_effort"] == effort


def test_calls_of_one_configuration_share_nothing_that_can_be_changed() -> None:
    config = make_config(extra_body={"a": {"b": 1}}, extra_headers={"x": "y"})
    first, second = (build_request(config, CallArguments(messages=MESSAGES)).arguments for _ in range(2))

    first["extra_body"]["a"]["b"] = 2
    first["extra_headers"]["x"] = "z"

    assert (second["extra_body"], second["extra_headers"]) == ({"a": {"b": 1}}, {"x": "y"})
    assert build_request(config, CallArguments(messages=MESSAGES)).arguments == second


@pytest.mark.parametrize(
    "given", [{"model": "other"}, {"api_base": "https://other.example/v1"}, {"service_tier": "flex"}]
)
def test_what_one_call_names_itself_is_not_the_next_ones(given: dict[str, Any]) -> None:
    config = make_config()
    before = build_request(config, OperationArguments("embedding", {"input": "a"}))

    named = build_request(config, OperationArguments("embedding", {"input": "a", **given}))

    assert named.target != before.target
    assert build_request(config, OperationArguments("embedding", {"input": "a"})) == before
