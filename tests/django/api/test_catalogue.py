"""What a form offers comes from LiteLLM's bundled map and our table of providers."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.secretbox import is_public
from agentcore_metering.core.providers import PROVIDERS
from agentcore_metering.core.request import litellm_params

URL = "/api/v1/admin/llm-config"


@pytest.fixture
def providers(api: APIClient) -> dict[str, Any]:
    return api.get(f"{URL}/providers/").json()["providers"]  # type: ignore[no-any-return]


@pytest.fixture
def models(api: APIClient) -> dict[str, Any]:
    return {provider["id"]: provider for provider in api.get(f"{URL}/models/").json()["providers"]}


def test_every_provider_says_what_it_needs(providers: dict[str, Any]) -> None:
    assert list(providers) == list(PROVIDERS)
    assert providers["openai"]["required"] == ["api_key"]
    assert providers["openai_compatible"]["required"] == ["api_key", "api_base"]
    assert {"request_timeout_seconds", "num_retries"} <= set(providers["openai"]["editable_params"])
    assert {"stream_idle_timeout_seconds", "stream_total_timeout_seconds"} <= set(
        providers["openai"]["editable_params"]
    )
    assert {"api_version", "deployment"} <= set(providers["azure_openai"]["optional"])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_key_that_a_form_offers_can_be_stored_as_plain_text(providers: dict[str, Any], provider: str) -> None:
    offered = {*providers[provider]["optional"], *providers[provider]["editable_params"]} - {"api_key"}

    assert [key for key in sorted(offered) if not is_public(key, "1")] == []


def test_models_have_mode_limits_and_exact_reference_prices(models: dict[str, Any]) -> None:
    mini = next(model for model in models["openai"]["models"] if model["id"] == "gpt-4o-mini")

    assert mini["mode"] == "chat"
    assert mini["max_input_tokens"] == 128_000
    assert {"text-to-text", "vision", "long-context", "low-cost"} <= set(mini["capabilities"])
    pricing = mini["reference_pricing"]
    assert (pricing["input_usd_per_1m"], pricing["output_usd_per_1m"]) == (0.15, 0.6)
    assert pricing["source"].startswith("litellm ")


def test_a_gateways_models_are_not_ours_to_list(models: dict[str, Any]) -> None:
    assert models["openai_compatible"]["models"] == []


def test_every_capability_has_a_label(api: APIClient, models: dict[str, Any]) -> None:
    labels = api.get(f"{URL}/models/").json()["capability_labels"]
    used = {name for provider in models.values() for model in provider["models"] for name in model["capabilities"]}

    assert used <= set(labels)


@pytest.mark.parametrize("provider", [provider for provider in PROVIDERS if not PROVIDERS[provider].is_gateway])
def test_a_listed_model_goes_to_its_provider(models: dict[str, Any], provider: str) -> None:
    prefix = f"{PROVIDERS[provider].litellm_name}/"
    options = {"api_key": "k", "api_base": "https://host/v1"}

    routed = [
        litellm_params(provider, {**options, "model": model["id"]})["model"] for model in models[provider]["models"]
    ]

    astray = [model for model in routed if not model.startswith(prefix)]
    assert astray == []
