"""The model's string that LiteLLM routes by, and who answers to it."""

from __future__ import annotations

import pytest

from agentcore_metering.core.providers import PROVIDERS, get_provider
from agentcore_metering.core.routing import Route, called_provider, find_route


@pytest.mark.parametrize(
    ("provider", "model", "function", "expected"),
    [
        pytest.param(
            "agione",
            "openai/gpt-5.4-nano/d688d",
            "completion",
            Route("openai/responses/openai/gpt-5.4-nano/d688d", "openai", "openai/gpt-5.4-nano/d688d", "openai"),
            id="agione-openai-goes-by-responses",
        ),
        pytest.param(
            "agione",
            "OpenAI/GPT-5.4-nano/d688d",
            "completion",
            Route("openai/responses/OpenAI/GPT-5.4-nano/d688d", "openai", "OpenAI/GPT-5.4-nano/d688d", "openai"),
            id="agione-family-in-any-case",
        ),
        pytest.param(
            "agione",
            "anthropic/claude-sonnet-4.6/e6887",
            "completion",
            Route("anthropic/anthropic/claude-sonnet-4.6/e6887", "anthropic", "anthropic/claude-sonnet-4.6/e6887", "anthropic"),
            id="agione-anthropic-goes-by-messages",
        ),
        pytest.param(
            "agione",
            "deepseek/deepseek-v4-flash/02acd",
            "completion",
            Route("openai/deepseek/deepseek-v4-flash/02acd", "openai", "deepseek/deepseek-v4-flash/02acd", "openai"),
            id="agione-others-by-chat",
        ),
        pytest.param(
            "agione",
            "openai/text-embedding-3-small/1",
            "embedding",
            Route("openai/openai/text-embedding-3-small/1", "openai", "openai/text-embedding-3-small/1", "openai"),
            id="agione-embedding",
        ),
        pytest.param("litellm_proxy", "gpt-4o", "completion", Route("litellm_proxy/gpt-4o", "litellm_proxy", "gpt-4o"), id="proxy"),
        pytest.param(
            "openai", "groq/llama-3.1-8b", "completion", Route("groq/llama-3.1-8b", "groq", "llama-3.1-8b"), id="foreign-prefix"
        ),
        pytest.param(
            "groq",
            "openai/gpt-oss-120b",
            "completion",
            Route("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
            id="unlisted-provider-with-slashes-of-its-own",
        ),
        pytest.param(
            "openai_compatible",
            "openai/gpt-5",
            "completion",
            Route("openai/openai/gpt-5", "openai", "openai/gpt-5", "openai"),
            id="a-gateways-id-is-whole",
        ),
    ],
)  # fmt: skip
def test_find_route(provider: str, model: str, function: str, expected: Route) -> None:
    assert find_route(get_provider(provider), model, function) == expected


@pytest.mark.parametrize("model", ["gpt-4o", "groq/llama-3.1-8b", "openai/gpt-4o", "a/b/c", "azure/x"])
@pytest.mark.parametrize("provider", [*(one.id for one in PROVIDERS.values() if not one.is_gateway), "groq"])
def test_the_called_provider_can_be_told_from_the_route_alone(provider: str, model: str) -> None:
    route = find_route(get_provider(provider), model)

    assert called_provider(get_provider(provider), route.litellm_model) == route.litellm_provider
