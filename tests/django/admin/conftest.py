"""A superuser's browser, and one row of each kind."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from agentcore_metering.adapters.django.models import (
    LLMConfig,
    LLMConfigChange,
    LLMCostChange,
    LLMPrice,
    LLMUsage,
    MeteringConfig,
)
from agentcore_metering.adapters.django.persistence.rows import write_rows
from tests.django.admin.pages import KEY
from tests.django.persistence.test_rows import make_record


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root"))
    return client


@pytest.fixture
def rows() -> dict[str, Any]:
    write_rows([make_record()], "default")
    config = {"model": "gpt-4o-mini", "api_key": KEY, "nested": {"token": KEY}}
    usage = LLMUsage.objects.get()
    row = LLMConfig.objects.create(scope="global", provider="openai", config=config)
    return {
        "llmusage": usage,
        "llmconfig": row,
        "llmconfigchange": LLMConfigChange.objects.get(config_uuid=row.uuid),
        "llmprice": LLMPrice.objects.create(model_pattern="gpt-4o*", input_per_1m=1, output_per_1m=2),
        "llmcostchange": LLMCostChange.objects.create(usage_id=usage.pk, new_amount=1, new_currency="USD"),
        "meteringconfig": MeteringConfig.objects.create(scope="global", key="retention_days", value=30),
    }
