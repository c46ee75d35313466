"""Rows by keyword, straight into the database; what a test does not say is ordinary."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model

from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage

KEY = "sk-a-key-that-nobody-may-see-4711"
NOON = datetime(2026, 2, 21, 12, tzinfo=UTC)


def make_user(username: str = "alice", *, is_staff: bool = False) -> Any:
    return get_user_model().objects.create_user(username, f"{username}@example.com", "secret", is_staff=is_staff)


def make_usage(*, model: str = "openai/gpt-4o-mini", **fields: Any) -> LLMUsage:
    """A row of 10 input and 5 output tokens at noon of 2026-02-21, that succeeded and has no known cost."""
    tokens = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return LLMUsage.objects.create(model=model, **{"created_at": NOON, **tokens, **fields})


def make_config(*, config: dict[str, Any] | None = None, user: Any = None, **fields: Any) -> LLMConfig:
    """A configuration of OpenAI with a key; global unless a user is given."""
    scope = LLMConfig.Scope.GLOBAL if user is None else LLMConfig.Scope.USER
    options = {"model": "gpt-4o-mini", "api_key": KEY} if config is None else config
    return LLMConfig.objects.create(scope=scope, user=user, config=options, **fields)
