"""`python -m tests.grafana.embedding_config API_BASE`: a configuration for embeddings, which the example host has none of."""

from __future__ import annotations

import sys

import django

django.setup()

from agentcore_metering.adapters.django.models import LLMConfig  # noqa: E402 - after setup
from example.seed import STUB_KEY, config_id  # noqa: E402 - after setup

LLMConfig.objects.create(
    uuid=config_id("embedding"),
    provider="openai",
    model_type="embedding",
    config={"model": "text-embedding-3-small", "api_key": STUB_KEY, "api_base": sys.argv[1]},
)
