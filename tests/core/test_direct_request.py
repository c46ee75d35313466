"""What a call of LiteLLM's says of itself: provider, model and endpoint, and which of its arguments are secret."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agentcore_metering.core.direct_request import direct_request
from agentcore_metering.core.providers import provider_named

MESSAGES = [{"role": "user", "content": "a text of the user's"}]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"model": "gpt-4o-mini"}, ("openai", "openai", "gpt-4o-mini", "openai/gpt-4o-mini", "api.openai.com", 443)),
        (
            {"model": "openai/gpt-4o-mini", "base_url": "http://10.0.0.1:8000/v1"},
            ("openai", "openai", "gpt-4o-mini", "openai/gpt-4o-mini", "10.0.0.1", 8000),
        ),
        (
            {"model": "azure/my-deployment", "api_base": "https://x.example"},
            ("azure_openai", "azure.ai.openai", "my-deployment", "azure/my-deployment", "x.example", 443),
        ),
        (
            {"model": "claude-haiku-4-5"},
            (
                "anthropic",
                "anthropic",
                "claude-haiku-4-5",
                "anthropic/claude-haiku-4-5",
                "api.anthropic.com",
                443,
            ),
        ),
        (
            {"model": "meta-llama/llama-3", "custom_llm_provider": "hosted_vllm"},
            ("hosted_vllm", "hosted_vllm", "meta-llama/llama-3", "hosted_vllm/meta-llama/llama-3", None, None),
        ),
        (
            {"model": "gpt-4o-mini", "client": SimpleNamespace(base_url="https://proxy.example/v1/", api_key="k")},
            ("openai", "openai", "gpt-4o-mini", "openai/gpt-4o-mini", "proxy.example", 443),
        ),
        ({"model": "no-such-model-anywhere"}, ("unknown", "unknown", *2 * ("no-such-model-anywhere",), None, None)),
    ],
)
def test_target_is_read_from_the_arguments(arguments: dict[str, Any], expected: tuple[Any, ...]) -> None:
    target = direct_request("completion", {"messages": MESSAGES, **arguments}).target

    assert (
        target.provider,
        target.provider_name,
        target.request_model,
        target.litellm_model,
        target.server_address,
        target.server_port,
    ) == expected


def test_image_without_a_model_is_of_litellms_default() -> None:
    target = direct_request("image_generation", {"prompt": "a cat"}).target

    # Releases of LiteLLM whose map has forgotten the model do not say whose it is.
    assert target.litellm_model.removeprefix("openai/") == "dall-e-2"
    assert target.operation == "generate_content"


def test_secrets_are_all_texts_that_are_not_known_to_be_none() -> None:
    arguments = {
        "model": "openai/gpt-4o-mini",
        "messages": MESSAGES,
        "api_key": "key-1",
        "aws_secret_access_key": "key-2",
        "extra_headers": {"Authorization": "Bearer key-3"},
        "fallbacks": ["gpt-4o", {"model": "gpt-4", "api_key": "key-4"}],
        "client": SimpleNamespace(base_url="https://x.example", api_key="key-5"),
        "a_new_argument_of_litellms": "key-6",
        "metadata": {"note": "of the host"},
        "user": "end-user-1",
    }

    request = direct_request("completion", arguments)

    assert request.secrets == ("key-1", "key-2", "Bearer key-3", "key-4", "key-5", "key-6")
    assert "key-" not in repr(request)


def test_sampling_is_read_for_the_span() -> None:
    request = direct_request(
        "responses", {"model": "gpt-4o", "input": "x", "temperature": 0.5, "max_output_tokens": 9, "stream": True}
    )

    assert request.parameters == {"temperature": 0.5, "max_tokens": 9}
    assert request.target.is_streaming


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("openai", "openai"),
        ("azure", "azure_openai"),
        ("litellm_proxy", "litellm_proxy"),
        ("hosted_vllm", "hosted_vllm"),
        ("gemini", "gemini"),
    ],
)
def test_provider_by_litellms_name_is_the_vendor(name: str, id_: str) -> None:
    assert provider_named(name).id == id_


def test_a_gateway_stays_one_by_litellms_name() -> None:
    assert provider_named("litellm_proxy").is_gateway
