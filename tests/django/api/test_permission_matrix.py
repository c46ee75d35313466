"""Who may call what: every method of every URL, for everybody. A URL or method without an entry fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from pytest_django import Settings
from rest_framework.permissions import BasePermission
from rest_framework.test import APIClient

from agentcore_metering.adapters.django import user_urls
from agentcore_metering.adapters.django.api.urls import urlpatterns
from agentcore_metering.adapters.django.api.views.base import MeteringView
from tests.django.api.urls import UNKNOWN
from tests.django.factories import make_user

pytestmark = pytest.mark.django_db

ADMIN, USER = "agentcore_metering", "agentcore_metering_user"
METHODS = ("get", "post", "put", "patch", "delete")
BY_PERMISSION = ["agentcore_metering.adapters.django.api.permissions.HasMeteringPermission"]

VIEW, MANAGE, SELF = "view_usage", "manage_config", "self"

# What each URL takes: the permission where the host has chosen HasMeteringPermission (without it: to be staff), or to be logged in.
MATRIX: dict[tuple[str, str], tuple[str, str]] = {
    (ADMIN, "health"): (VIEW, "get"),
    (ADMIN, "reconcile"): (VIEW, "get"),
    (ADMIN, "users"): (VIEW, "get"),
    (ADMIN, "token-stats"): (VIEW, "get"),
    (ADMIN, "usage-breakdown"): (VIEW, "get"),
    (ADMIN, "llm-usage"): (VIEW, "get"),
    (ADMIN, "llm-usage-export"): (VIEW, "get"),
    (ADMIN, "llm-usage-detail"): (VIEW, "get"),
    (ADMIN, "metering-config"): (MANAGE, "get patch"),
    (ADMIN, "llm-config-global"): (MANAGE, "get post"),
    (ADMIN, "llm-config-all"): (MANAGE, "get"),
    (ADMIN, "llm-config-providers"): (MANAGE, "get"),
    (ADMIN, "llm-config-models"): (MANAGE, "get"),
    (ADMIN, "llm-config-users"): (MANAGE, "get"),
    (ADMIN, "llm-config-user-detail"): (MANAGE, "get put delete"),
    (ADMIN, "llm-config-detail"): (MANAGE, "get put delete"),
    (ADMIN, "llm-config-detail-legacy"): (MANAGE, "get put delete"),
    (ADMIN, "llm-config-changes"): (MANAGE, "get"),
    (ADMIN, "llm-config-test"): (MANAGE, "post"),
    (ADMIN, "llm-config-test-call"): (MANAGE, "post"),
    (ADMIN, "llm-config-decision-test"): (MANAGE, "post"),
    (ADMIN, "llm-config-fallback"): (MANAGE, "get put"),
    (ADMIN, "llm-config-fallback-reset"): (MANAGE, "post"),
    (USER, "models"): (SELF, "get"),
    (USER, "providers"): (SELF, "get"),
    (USER, "test"): (SELF, "post"),
    (USER, "test-call"): (SELF, "post"),
    (USER, "decision-test"): (SELF, "post"),
    (USER, "fallback"): (SELF, "get put"),
    (USER, "fallback-reset"): (SELF, "post"),
    (USER, "my-usage"): (SELF, "get"),
    (USER, "my-stats"): (SELF, "get"),
}
ARGUMENTS = {
    "llm-config-user-detail": [4711],
    "llm-config-detail": [UNKNOWN],
    "llm-config-detail-legacy": [4711],
    "llm-usage-detail": [UNKNOWN],
    "llm-config-changes": [UNKNOWN],
    "llm-config-fallback": [UNKNOWN],
    "llm-config-fallback-reset": [UNKNOWN],
    "fallback": [UNKNOWN],
    "fallback-reset": [UNKNOWN],
}

CALLERS = ("anonymous", "user", "staff", "admin", "viewer", "manager", "inactive")


class Nobody(BasePermission):
    """A permission class of a host that lets nobody in."""

    def has_permission(self, request: Any, view: Any) -> bool:
        """No."""
        return False


def url_of(place: tuple[str, str]) -> str:
    return reverse(":".join(place), args=ARGUMENTS.get(place[1], []))


def client_of(caller: str) -> APIClient:
    client = APIClient()
    if caller == "anonymous":
        return client
    user = make_user(caller, is_staff=caller in ("staff", "admin"))
    user.is_superuser = caller == "admin"
    user.is_active = caller != "inactive"
    user.save()
    codename = {"viewer": VIEW, "manager": MANAGE, "inactive": MANAGE}.get(caller)
    if codename:
        user.user_permissions.add(Permission.objects.get(content_type__app_label=ADMIN, codename=codename))
    client.force_login(user)
    return client


def may(caller: str, takes: str, *, by_permission: bool) -> bool:
    if takes == SELF:
        return caller not in ("anonymous", "inactive")
    if not by_permission:
        return caller in ("staff", "admin")
    return caller == "admin" or caller == {VIEW: "viewer", MANAGE: "manager"}[takes]


def cells() -> Iterator[Any]:
    for place, (takes, methods) in MATRIX.items():
        for caller in CALLERS:
            yield pytest.param(place, methods.split(), takes, caller, id=f"{place[1]}-{caller}")


def test_every_url_and_method_has_an_entry() -> None:
    found = {
        (namespace, str(pattern.name)): " ".join(
            method
            for method in METHODS
            if hasattr(pattern.callback.view_class, method)  # type: ignore[union-attr]
        )
        for namespace, patterns in ((ADMIN, urlpatterns), (USER, user_urls.urlpatterns))
        for pattern in patterns
    }

    assert found == {place: methods for place, (_takes, methods) in MATRIX.items()}


def test_every_view_says_what_it_needs() -> None:
    for place, (takes, _methods) in MATRIX.items():
        patterns = urlpatterns if place[0] == ADMIN else user_urls.urlpatterns
        (view, *_) = (pattern.callback.view_class for pattern in patterns if pattern.name == place[1])  # type: ignore[union-attr]
        assert issubclass(view, MeteringView)
        if takes != SELF:
            assert view.needs == takes


@pytest.mark.parametrize(("place", "methods", "takes", "caller"), list(cells()))
@pytest.mark.parametrize("by_permission", [False, True], ids=["default", "by-permission"])
def test_caller_is_let_in_or_refused(
    place: tuple[str, str], methods: list[str], takes: str, caller: str, by_permission: bool, settings: Settings
) -> None:
    if by_permission:
        settings.AGENTCORE_METERING_API_PERMISSION_CLASSES = BY_PERMISSION
    client = client_of(caller)

    for method in METHODS:
        status = getattr(client, method)(url_of(place), {}, format=None if method == "get" else "json").status_code
        if not may(caller, takes, by_permission=by_permission):
            # Somebody who may not come in is not told, either, which methods there are.
            assert status in (401, 403), (method, status)
        elif method in methods:
            assert status in (200, 201, 400, 404, 409), (method, status)
        else:
            assert status == 405, (method, status)


def test_hosts_own_permission_class_replaces_the_default(settings: Settings) -> None:
    settings.AGENTCORE_METERING_API_PERMISSION_CLASSES = [f"{__name__}.Nobody"]

    assert client_of("admin").get(url_of((ADMIN, "users"))).status_code == 403
    # Users' own figures are not the admin API's.
    assert client_of("user").get(url_of((USER, "my-usage"))).status_code == 200


def test_several_permission_classes_must_all_agree(settings: Settings) -> None:
    settings.AGENTCORE_METERING_API_PERMISSION_CLASSES = ["rest_framework.permissions.IsAdminUser", *BY_PERMISSION]

    assert client_of("staff").get(url_of((ADMIN, "users"))).status_code == 403
    assert client_of("viewer").get(url_of((ADMIN, "users"))).status_code == 403
    assert client_of("admin").get(url_of((ADMIN, "users"))).status_code == 200
