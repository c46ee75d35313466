"""Rows that tests need, by keyword; what a test does not say is ordinary."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.expressions import DatabaseDefault

from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from example.stub_provider import StubProvider

KEY = "gateway-key-4711-not-shaped-like-one"


def make_user(username: str = "alice") -> Any:
    return get_user_model().objects.create_user(username, f"{username}@example.com", "secret")


def make_stub_config(
    stub: StubProvider, provider: str = "openai", model: str = "gpt-4o-mini", **fields: Any
) -> LLMConfig:
    """An active configuration, global unless a `user` is given, that leads to the stub."""
    wire = provider if provider in ("anthropic", "cohere", "gemini") else "openai"
    config = {"model": model, "api_key": KEY, "api_base": stub.api_base(wire), **fields.pop("config", {})}
    scope = LLMConfig.Scope.USER if fields.get("user") else LLMConfig.Scope.GLOBAL
    return LLMConfig.objects.create(scope=scope, provider=provider, config=config, **fields)


def usage_values(**fields: Any) -> dict[str, Any]:
    """A usage row as the writer has it: every column's value, but what is left to the database."""
    row = LLMUsage(**fields)
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return {attname: value for attname, value in values.items() if not isinstance(value, DatabaseDefault)}
