"""The admin's pages open, show what is there, and never a secret."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from agentcore_metering.adapters.django.models import LLMConfig, LLMCostChange, LLMPrice, LLMUsage, MeteringConfig
from agentcore_metering.adapters.django.persistence.rows import write_rows
from tests.django.persistence.test_rows import make_record

pytestmark = pytest.mark.django_db

KEY = "gateway-key-4711-not-shaped-like-one"


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root"))
    return client


@pytest.fixture
def rows() -> dict[str, Any]:
    write_rows([make_record()], "default")
    config = {"model": "gpt-4o-mini", "api_key": KEY, "nested": {"token": KEY}}
    return {
        "llmusage": LLMUsage.objects.get(),
        "llmconfig": LLMConfig.objects.create(scope="global", provider="openai", config=config),
        "llmprice": LLMPrice.objects.create(model_pattern="gpt-4o*", input_per_1m=1, output_per_1m=2),
        "llmcostchange": LLMCostChange.objects.create(
            usage_id=LLMUsage.objects.get().pk, new_amount=1, new_currency="USD"
        ),
        "meteringconfig": MeteringConfig.objects.create(scope="global", key="retention_days", value=30),
    }


@pytest.mark.parametrize("model", ["llmusage", "llmconfig", "llmcostchange", "llmprice", "meteringconfig"])
def test_lists_and_rows_open_without_a_secret(admin: Client, rows: dict[str, Any], model: str) -> None:
    for name, args in (
        (f"admin:agentcore_metering_{model}_changelist", []),
        (f"admin:agentcore_metering_{model}_change", [rows[model].pk]),
    ):
        response = admin.get(reverse(name, args=args))

        assert response.status_code == 200
        assert KEY not in response.content.decode()


def test_a_stored_script_is_shown_as_text(admin: Client) -> None:
    LLMUsage.objects.create(model="<script>alert(1)</script>", node_name="<b>")

    page = admin.get(reverse("admin:agentcore_metering_llmusage_changelist")).content.decode()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;" in page


def test_usage_can_be_searched_by_trace(admin: Client, rows: dict[str, Any]) -> None:
    url = reverse("admin:agentcore_metering_llmusage_changelist")

    assert (
        "1 LLM usage" in admin.get(url, {"q": "a" * 32}).content.decode()
        or str(rows["llmusage"].pk) in admin.get(url, {"q": "a" * 32}).content.decode()
    )


@pytest.mark.parametrize(
    ("is_sampled", "template", "is_linked"),
    [
        (True, "https://traces.example/{trace_id}?span={span_id}&x=1", True),
        (False, "https://traces.example/{trace_id}", False),
        (None, "https://traces.example/{trace_id}", False),
        (True, None, False),
    ],
)
def test_usage_links_to_its_trace_where_that_was_recorded(
    admin: Client, settings: Settings, is_sampled: bool | None, template: str | None, is_linked: bool
) -> None:
    settings.AGENTCORE_METERING_TRACE_URL_TEMPLATE = template
    row = LLMUsage.objects.create(model="m", trace_id="a" * 32, span_id="b" * 16, trace_sampled=is_sampled)
    link = f'<a href="https://traces.example/{"a" * 32}?span={"b" * 16}&amp;x=1" target="_blank" rel="noopener">{"a" * 32}</a>'

    for name, args in (("changelist", []), ("change", [row.pk])):
        page = admin.get(reverse(f"admin:agentcore_metering_llmusage_{name}", args=args)).content.decode()

        assert (link in page) is is_linked
        assert "a" * 32 in page


@pytest.mark.parametrize("model", ["llmusage", "llmconfig", "meteringconfig"])
def test_what_is_read_only_cannot_be_added(admin: Client, model: str) -> None:
    assert admin.get(reverse(f"admin:agentcore_metering_{model}_add")).status_code == 403
