from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse
from rest_framework.test import APIClient

from tests.django.factories import make_usage, make_user

pytestmark = pytest.mark.django_db

USAGE = reverse("agentcore_metering_user:my-usage")
STATS = reverse("agentcore_metering_user:my-stats")

HIDDEN = {"user_id", "username", "config_uuid", "cost_source", "error", "trace_id", "span_id", "trace_url", "metadata"}


@pytest.mark.parametrize("given", ["", "bob", "0", "None", "*", "alice&user_id="])
def test_user_sees_his_own_rows_whatever_he_asks_for(client: APIClient, alice: Any, given: str) -> None:
    bob = make_user("bob")
    make_usage(model="mine", user=alice)
    make_usage(model="bobs", user=bob)
    make_usage(model="nobodys")
    query = f"?user_id={given.replace('bob', str(bob.pk))}"

    page = client.get(USAGE + query).json()
    stats = client.get(STATS + query).json()

    assert ([item["model"] for item in page["results"]], page["total"]) == (["mine"], 1)
    assert (stats["summary"]["total_calls"], [item["model"] for item in stats["by_model"]]) == (1, ["mine"])


def test_insides_of_the_project_are_not_shown(client: APIClient, alice: Any) -> None:
    make_usage(user=alice, error="http://10.0.0.5 said no", metadata={"secret_plan": 1}, trace_id="a" * 32)

    page = client.get(USAGE).json()

    assert HIDDEN.isdisjoint(page["results"][0])
    assert "10.0.0.5" not in json.dumps(page)
    assert {"model", "total_tokens", "cost", "cost_currency", "created_at", "success"} <= set(page["results"][0])


@pytest.mark.parametrize(
    "query", ["metadata.secret_plan=2", "error_type=x", "node=x", "config=x", "trace_id=x", "cost_min=1", "cursor=x"]
)
def test_what_is_not_shown_cannot_be_filtered_by(client: APIClient, alice: Any, query: str) -> None:
    make_usage(user=alice, metadata={"secret_plan": 1})

    assert client.get(f"{USAGE}?{query}").json()["total"] == 1


def test_pages_periods_and_filters_work_as_in_the_admin_api(client: APIClient, alice: Any) -> None:
    for number in range(3):
        make_usage(model=f"m{number}", user=alice)

    assert client.get(USAGE, {"page_size": 2}).json()["total"] == 3
    assert [item["model"] for item in client.get(USAGE, {"model": "m1"}).json()["results"]] == ["m1"]
    assert client.get(USAGE, {"start_date": "2026-02-22"}).json()["total"] == 0
    assert client.get(USAGE, {"start_date": "nonsense"}).status_code == 400
    series = {"granularity": "day", "start_date": "2026-02-21", "end_date": "2026-02-21", "use_series": "1"}
    assert len(client.get(STATS, series).json()["series"]["items"]) == 24


@pytest.mark.parametrize("pk", [None, "", " "])
@pytest.mark.parametrize("url", [USAGE, STATS])
def test_caller_without_a_key_is_not_everybody(url: str, pk: Any) -> None:
    class Stateless(AnonymousUser):
        is_authenticated = True  # type: ignore[assignment]

    user: Any = Stateless()
    user.pk = pk
    make_usage()
    client = APIClient()
    client.force_authenticate(user)

    assert client.get(url).status_code in (401, 403)
