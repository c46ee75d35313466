from __future__ import annotations

from typing import Any

import pytest
from django.urls import get_resolver, reverse
from rest_framework.permissions import IsAdminUser
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.api.urls import urlpatterns
from agentcore_metering.adapters.django.api.views.base import MeteringView
from tests.django.api.urls import METHODS, UNKNOWN, WITH_BODY
from tests.django.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("method", "url"), [*METHODS, *WITH_BODY])
def test_anonymous_is_refused(method: str, url: str) -> None:
    assert getattr(APIClient(), method)(url).status_code in (401, 403)


@pytest.mark.parametrize(("method", "url"), [*METHODS, *WITH_BODY])
def test_user_who_is_no_admin_is_refused(method: str, url: str) -> None:
    client = APIClient()
    client.force_authenticate(make_user())

    assert getattr(client, method)(url).status_code == 403


@pytest.mark.parametrize(("method", "url"), METHODS)
def test_admin_is_answered(api: APIClient, method: str, url: str) -> None:
    assert getattr(api, method)(url, {}, format=None if method == "get" else "json").status_code in (200, 201, 404)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize(
    "name", ["health", "users", "token-stats", "llm-usage", "llm-usage-export", "llm-config-all", "llm-config-users"]
)
def test_method_that_there_is_not_is_405(api: APIClient, method: str, name: str) -> None:
    assert getattr(api, method)(reverse(f"agentcore_metering:{name}")).status_code == 405


def test_every_view_is_for_admins_and_leaves_the_rest_to_the_host() -> None:
    views: list[Any] = [pattern.callback.view_class for pattern in urlpatterns]  # type: ignore[union-attr]

    for view in views:
        assert issubclass(view, MeteringView)
        assert view.permission_classes == [IsAdminUser]
        own = {name for base in view.__mro__ if base.__module__.startswith("agentcore_metering") for name in vars(base)}
        assert own.isdisjoint({"renderer_classes", "parser_classes", "authentication_classes", "throttle_classes"})


def test_write_with_a_session_takes_a_csrf_token(admin: Any) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(admin)

    assert client.post(reverse("agentcore_metering:llm-config-global"), {}, format="json").status_code == 403


@pytest.mark.parametrize(
    ("name", "arguments", "path"),
    [
        ("users", [], "users/"),
        ("health", [], "health/"),
        ("metering-config", [], "metering-config/"),
        ("token-stats", [], "token-stats/"),
        ("llm-usage", [], "llm-usage/"),
        ("llm-usage-export", [], "llm-usage/export/"),
        ("llm-usage-detail", [UNKNOWN], f"llm-usage/{UNKNOWN}/"),
        ("llm-config-global", [], "llm-config/"),
        ("llm-config-all", [], "llm-config/all/"),
        ("llm-config-users", [], "llm-config/users/"),
        ("llm-config-user-detail", [7], "llm-config/users/7/"),
        ("llm-config-user-detail", [UNKNOWN], f"llm-config/users/{UNKNOWN}/"),
        ("llm-config-detail", [UNKNOWN], f"llm-config/{UNKNOWN}/"),
        ("llm-config-detail-legacy", [7], "llm-config/7/"),
    ],
)
def test_url_name_is_the_known_one(name: str, arguments: list[Any], path: str) -> None:
    assert reverse(f"agentcore_metering:{name}", args=arguments) == f"/api/v1/admin/{path}"


def test_path_of_a_host_that_mounts_bulk_before_us_is_not_claimed() -> None:
    with pytest.raises(Exception, match="bulk"):
        get_resolver().resolve("/api/v1/admin/llm-config/bulk/")
