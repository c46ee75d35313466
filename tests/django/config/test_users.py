from __future__ import annotations

import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from pytest_django import DjangoAssertNumQueries

from agentcore_metering.adapters.django.config.users import all_users, display_name, find_user, parse_user_pk
from agentcore_metering.core.errors import InvalidField
from tests.django.factories import make_user


@pytest.mark.parametrize("value", ["7", 7, " 7 "])
def test_user_pk_as_text_or_number_is_the_key(value: Any) -> None:
    assert parse_user_pk(value) == 7


@pytest.mark.parametrize(
    "value",
    ["", "abc", "1.5", "1\x00", "9" * 5000, 2**63, -(2**70), True, None, 1.5, [1], {"id": 1}, uuid4()],
    ids=repr,
)
def test_user_pk_that_cannot_be_one_is_refused(value: Any) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_user_pk(value)

    assert caught.value.field == "user_id"
    assert len(str(caught.value)) < 200


@pytest.mark.django_db
def test_find_user_gives_the_user_or_none() -> None:
    alice = make_user("alice")

    assert find_user(alice.pk) == alice
    assert find_user(4711) is None
    assert find_user(2**70) is None
    assert find_user(uuid4()) is None


@pytest.mark.django_db
def test_all_users_are_shown_by_key_in_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_user("zoe")
    make_user("alice")

    with django_assert_num_queries(1):
        assert [display_name(user) for user in all_users()] == ["zoe", "alice"]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"username": "alice", "email": "a@example.com"}, "alice"),
        ({"username": "", "email": "a@example.com"}, "a@example.com"),
        ({"username": "", "email": ""}, "7"),
    ],
)
def test_display_name_falls_back_to_email_and_key(fields: dict[str, str], name: str) -> None:
    assert display_name(get_user_model()(pk=7, **fields)) == name


UUID_HOST = """
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a host's key",
    USE_TZ=True,
    INSTALLED_APPS=["tests.django.uuid_user_app", "rest_framework", "agentcore_metering.adapters.django"],
    AUTH_USER_MODEL="uuid_user_app.Member",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    ROOT_URLCONF="tests.urls_api_only",
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": []},
)
django.setup()

from uuid import uuid4

from django.core.management import call_command
from rest_framework.test import APIClient

call_command("migrate", verbosity=0)

from agentcore_metering.adapters.django.models import LLMUsage
from tests.django.uuid_user_app.models import Member

member = Member.objects.create(name="owner")
member.is_staff = True
LLMUsage.objects.create(model="m", user=member)
client = APIClient()
client.force_authenticate(member)

pk = str(member.pk)
assert client.get("/users/").json() == [{"id": pk, "username": "owner"}]
assert client.get("/token-stats/", {"user_id": pk}).json()["summary"]["total_calls"] == 1
assert client.get("/token-stats/", {"user_id": "1"}).status_code == 400
[item] = client.get("/llm-usage/", {"user_id": pk}).json()["results"]
assert (item["user_id"], item["username"]) == (pk, "owner")
body = {"config": {"api_key": "sk-own"}}
made = client.put(f"/llm-config/users/{pk}/", body, format="json")
assert made.status_code == 200, made.json()
assert (made.json()["user"], made.json()["user_id"], made.json()["username"]) == (pk, pk, "owner")
posted = client.post("/llm-config/", {**body, "scope": "user", "user_id": pk}, format="json")
assert posted.status_code == 201, posted.json()
assert len(client.get("/llm-config/users/", {"user_id": pk}).json()) == 2
assert client.get("/llm-config/users/1/").status_code == 404
assert client.get(f"/llm-config/users/{uuid4()}/").status_code == 404
"""


def test_host_with_uuid_users_is_served() -> None:
    finished = subprocess.run([sys.executable, "-c", UUID_HOST], capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
