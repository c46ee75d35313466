"""What a form offers comes from LiteLLM's bundled map and our table of providers."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.config.catalogue import model_type_of
from agentcore_metering.adapters.django.secretbox import is_public
from agentcore_metering.core.decision_providers import DECISION_PROVIDERS
from agentcore_metering.core.providers import PROVIDERS
from agentcore_metering.core.request import litellm_params

URL = "/api/v1/admin/llm-config"
DECIDE_ONLY = ["typesafe", "cloudflare", "perplexity", "strands_decider"]


@pytest.fixture
def providers(api: APIClient) -> dict[str, Any]:
    return api.get(f"{URL}/providers/").json()["providers"]  # type: ignore[no-any-return]


@pytest.fixture
def models(api: APIClient) -> dict[str, Any]:
    return {provider["id"]: provider for provider in api.get(f"{URL}/models/").json()["providers"]}


def test_every_provider_says_what_it_needs(providers: dict[str, Any]) -> None:
    assert list(providers) == [*PROVIDERS, *DECIDE_ONLY]
    assert providers["openai"]["required"] == ["api_key"]
    assert providers["openai_compatible"]["required"] == ["api_key", "api_base"]
    assert {"request_timeout_seconds", "num_retries"} <= set(providers["openai"]["editable_params"])
    assert {"stream_idle_timeout_seconds", "stream_total_timeout_seconds"} <= set(
        providers["openai"]["editable_params"]
    )
    assert {"api_version", "deployment"} <= set(providers["azure_openai"]["optional"])


def test_providers_of_decision_models_say_what_these_need(providers: dict[str, Any]) -> None:
    decide = {name: provider["decision"] for name, provider in providers.items() if "decision" in provider}

    assert set(decide) == set(DECISION_PROVIDERS)
    assert decide["openai"]["required"] == ["model", "api_key"]
    assert decide["cloudflare"]["required"] == ["model", "api_key", "account_id"]
    assert decide["strands_decider"]["required"] == ["model", "api_base"]
    assert decide["typesafe"]["default_api_base"] == "https://api.typesafe.ai"
    assert {name for name, provider in providers.items() if provider.get("model_types") == ["decision"]} == {
        *DECIDE_ONLY
    }
    offered = {key for keys in decide.values() for key in (*keys["optional"], *keys["editable_params"])} - {"api_key"}
    assert all(is_public(key, "1") for key in offered)


def test_models_say_for_which_types_their_provider_has_any(models: dict[str, Any]) -> None:
    assert models["openai"]["model_types"] == ["decision", "embedding", "image_generation", "llm"]
    assert models["anthropic"]["model_types"] == ["llm"]
    assert models["openai_compatible"]["model_types"] == ["decision", "llm"]
    for name in DECIDE_ONLY:
        assert models[name]["model_types"] == ["decision"]
        assert {model["mode"] for model in models[name]["models"]} == {"decisions"}
        default = DECISION_PROVIDERS[name].default_model
        [one] = [model for model in models[name]["models"] if model["id"] == default]
        assert "decision" in one["capabilities"]


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("typesafe", "jev-latest", "decision"),
        (" TypeSafe ", "whatever", "decision"),
        ("cloudflare", None, "decision"),
        ("openai", "gpt-6-luna", "llm"),
        ("openrouter", "typesafe/jev-1.13", "llm"),
        ("litellm_proxy", "m", "llm"),
    ],
)
def test_configuration_is_of_a_decision_model_where_its_provider_has_no_others(
    provider: str, model: Any, expected: str
) -> None:
    assert model_type_of(provider, model) == expected


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
