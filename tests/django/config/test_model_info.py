from __future__ import annotations

from typing import Any

import pytest

from agentcore_metering.adapters.django.config.catalogue import model_type_of
from agentcore_metering.adapters.django.config.model_info import model_info


@pytest.mark.parametrize(
    ("provider", "model", "model_type"),
    [
        ("openai", "gpt-4o-mini", "llm"),
        ("OpenAI ", "text-embedding-3-small", "embedding"),
        ("openai", "gpt-image-1", "image_generation"),
        ("openai", "whisper-1", "llm"),
        ("openai", "a-model-of-tomorrow", "llm"),
        ("openai_compatible", "text-embedding-3-small", "llm"),
        ("nobody", "gpt-4o-mini", "llm"),
        ("openai", None, "llm"),
    ],
)
def test_model_type_is_what_the_catalogue_says(provider: str, model: Any, model_type: str) -> None:
    assert model_type_of(provider, model) == model_type


def test_modalities_of_a_known_model_are_the_catalogues() -> None:
    info = model_info("openai", {"model": "gpt-4o-mini"})

    assert {"text", "image"} <= set(info["supported_modalities"])
    assert "text" in info["supported_output_modalities"]
    assert info["sources"] == {"supported_modalities": "catalog", "supported_output_modalities": "catalog"}


@pytest.mark.parametrize("options", [{"model": "a-model-of-tomorrow"}, {}, None, {"model": 5}])
def test_modalities_of_an_unknown_model_are_unknown(options: Any) -> None:
    info = model_info("openai", options)

    assert (info["supported_modalities"], info["sources"]["supported_modalities"]) == ([], "unknown")


def test_what_an_admin_wrote_wins_for_its_own_list() -> None:
    options = {"model": "gpt-4o-mini", "model_info": {"supported_modalities": ["text", "text"]}}

    info = model_info("openai", options)

    assert info["supported_modalities"] == ["text"]
    assert info["sources"] == {"supported_modalities": "manual", "supported_output_modalities": "catalog"}


@pytest.mark.parametrize("stated", ["text", {"supported_modalities": ["smell"]}, {"supported_modalities": []}])
def test_what_is_no_list_of_modalities_counts_for_nothing(stated: Any) -> None:
    info = model_info("openai", {"model": "gpt-4o-mini", "model_info": stated})

    assert info["sources"]["supported_modalities"] == "catalog"
