"""Who sees and does what: every page x every kind of user, as one table."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from agentcore_metering.adapters.django.models import LLMConfig, LLMPrice, LLMUsage
from tests.django.admin.pages import client_of, text_of, url

pytestmark = pytest.mark.django_db

MODELS = ("llmusage", "llmconfig", "llmconfigchange", "llmprice", "llmcostchange", "meteringconfig")
NOTHING: dict[str, str] = {}

# By permission: what it lets one do, v(iew) a(dd) c(hange) d(elete). What is not named is forbidden.
MATRIX = {
    "": NOTHING,
    "view_usage": {"llmusage": "v", "llmcostchange": "v"},
    "view_llmusage": {"llmusage": "v"},
    "change_llmusage": NOTHING,
    "delete_llmusage": NOTHING,
    "view_llmcostchange": {"llmcostchange": "v"},
    "delete_llmcostchange": NOTHING,
    "manage_config": {"llmconfig": "vacd", "llmconfigchange": "v", "meteringconfig": "vc"},
    "view_llmconfigchange": {"llmconfigchange": "v"},
    "delete_llmconfigchange": NOTHING,
    "view_llmconfig": {"llmconfig": "v"},
    "add_llmconfig": {"llmconfig": "a"},
    "change_llmconfig": {"llmconfig": "vc"},
    "delete_llmconfig": {"llmconfig": "d"},
    "view_llmprice": {"llmprice": "v"},
    "add_llmprice": {"llmprice": "a"},
    "change_llmprice": {"llmprice": "vc"},
    "view_meteringconfig": {"meteringconfig": "v"},
    "change_meteringconfig": {"meteringconfig": "vc"},
    "delete_meteringconfig": NOTHING,
}


def allowed(client: Client, model: str, pk: Any) -> str:
    """What the pages themselves let this browser do."""
    found = ""
    if client.get(url(model, "changelist")).status_code == 200:
        found += "v"
    if client.get(url(model, "add")).status_code == 200:
        found += "a"
    if may_post(client, model, pk):
        found += "c"
    if client.get(url(model, "delete", pk)).status_code == 200:
        found += "d"
    return found


def may_post(client: Client, model: str, pk: Any) -> bool:
    """Whether a POST to the form is read, and answered with its errors, rather than refused."""
    address = url(model) if model == "meteringconfig" else url(model, "change", pk)
    return client.post(address, {"retention_days": "none"}).status_code == 200


@pytest.mark.parametrize("permission", MATRIX)
def test_a_staff_user_may_do_what_his_permission_says_and_nothing_else(permission: str, rows: dict[str, Any]) -> None:
    client = client_of("carol", *filter(None, [permission]))

    found = {model: allowed(client, model, rows[model].pk) for model in MODELS}

    assert {model: rights for model, rights in found.items() if rights} == MATRIX[permission]


def test_a_superuser_neither_writes_nor_deletes_what_is_append_only(admin: Client, rows: dict[str, Any]) -> None:
    assert allowed(admin, "llmusage", rows["llmusage"].pk) == "v"
    assert allowed(admin, "llmcostchange", rows["llmcostchange"].pk) == "v"
    assert allowed(admin, "llmconfig", rows["llmconfig"].pk) == "vacd"
    assert allowed(admin, "llmprice", rows["llmprice"].pk) == "vacd"
    assert allowed(admin, "meteringconfig", rows["meteringconfig"].pk) == "vc"


def test_no_action_deletes_usage(admin: Client, rows: dict[str, Any]) -> None:
    chosen = {"action": "delete_selected", "_selected_action": [str(rows["llmusage"].pk)], "post": "yes"}

    admin.post(url("llmusage"), chosen)

    assert LLMUsage.objects.count() == 1


@pytest.mark.parametrize("is_staff", [True, False])
def test_without_a_permission_nothing_of_the_app_is_named(rows: dict[str, Any], is_staff: bool) -> None:
    client = client_of("carol", is_staff=is_staff)

    index = client.get("/admin/", follow=True)

    assert "LLM" not in text_of(index)
    assert client.get("/admin/agentcore_metering/").status_code in (302, 404)


@pytest.mark.parametrize("model", MODELS)
def test_a_user_who_is_not_staff_sees_no_page_whatever_permission_he_has(rows: dict[str, Any], model: str) -> None:
    client = client_of("mallory", "view_usage", "manage_config", "change_llmprice", is_staff=False)

    assert client.get(url(model)).status_code == 302


@pytest.mark.parametrize("permissions", [(), ("view_llmconfig", "change_llmconfig", "view_usage")])
def test_testing_a_configuration_needs_manage_config(rows: dict[str, Any], permissions: tuple[str, ...]) -> None:
    client = client_of("carol", *permissions)

    assert client.post(url("llmconfig", "test", rows["llmconfig"].pk)).status_code == 403
    assert LLMUsage.objects.count() == 1


def test_the_models_of_a_provider_need_the_right_to_edit(rows: dict[str, Any]) -> None:
    client = client_of("carol", "view_llmconfig")

    assert client.get(url("llmconfig", "models", "openai")).status_code == 403


def test_one_who_may_only_look_gets_masks_and_no_form(rows: dict[str, Any]) -> None:
    client = client_of("carol", "view_llmconfig")

    page = client.get(url("llmconfig", "change", rows["llmconfig"].pk))

    assert "***-one" in text_of(page)
    assert "api_key" in text_of(page)
    assert b'name="api_key"' not in page.content
    assert client.post(url("llmconfig", "change", rows["llmconfig"].pk), {"provider": "x"}).status_code == 403


def test_a_post_without_a_token_is_refused(rows: dict[str, Any]) -> None:
    client = client_of("carol", "manage_config")
    client.handler.enforce_csrf_checks = True  # type: ignore[attr-defined]  # set by Client(enforce_csrf_checks=True)

    for address in (url("llmconfig", "test", rows["llmconfig"].pk), url("llmconfig", "add"), url("meteringconfig")):
        assert client.post(address).status_code == 403
    assert LLMConfig.objects.count() == 1


def test_deleting_a_price_needs_its_own_permission(rows: dict[str, Any]) -> None:
    client = client_of("carol", "manage_config", "change_llmprice")

    assert client.post(url("llmprice", "delete", rows["llmprice"].pk), {"post": "yes"}).status_code == 403
    assert LLMPrice.objects.count() == 1
