"""The trail of configurations: each way of writing one leaves who, when, which and what, and no value."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.utils import NestedObjects
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from pytest_django import Settings
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.models import LLMConfig, LLMConfigChange
from agentcore_metering.adapters.django.models.actors import acting
from agentcore_metering.adapters.django.runtime import get_metering
from agentcore_metering.core.errors import ConfigNotFound
from tests.django.api.urls import LLM_CONFIG, config_url, user_config_url
from tests.django.factories import KEY, make_config, make_user

pytestmark = pytest.mark.django_db

OPTIONS = {"model": "m", "api_key": KEY}


def trail() -> list[tuple[str, list[str], str]]:
    """Action, keys and way of each change, oldest first."""
    rows = LLMConfigChange.objects.order_by("id")
    return [(row.action, row.keys, row.via) for row in rows]


def last() -> LLMConfigChange:
    return LLMConfigChange.objects.order_by("id").reverse()[0]


def forget() -> None:
    LLMConfigChange.objects.all()._raw_delete(using="default")


CREATED_KEYS = {
    "config.api_key",
    "config.model",
    "fallback",
    "is_active",
    "is_default",
    "model_type",
    "provider",
    "scope",
}


def test_api_writes_down_who_made_changed_and_deleted_what(api: APIClient, admin: Any) -> None:
    uuid = api.post(LLM_CONFIG, {"config": OPTIONS}, format="json").json()["uuid"]
    api.put(config_url(uuid), {"config": {"temperature": 0.5}, "is_active": False}, format="json")
    api.put(config_url(uuid), {"config": {"api_key": "sk-another"}}, format="json")
    api.put(config_url(uuid), {"provider": "anthropic", "config": {"api_key": "sk-ant"}}, format="json")
    api.delete(config_url(uuid))

    made, *others = trail()
    assert made[0] == "created"
    assert {*made[1]} >= CREATED_KEYS
    assert others == [
        ("changed", ["config.temperature", "is_active"], "api"),
        ("changed", ["config.api_key"], "api"),
        ("changed", ["config.api_key", "provider"], "api"),
        ("deleted", [], "api"),
    ]
    assert {(row.actor_id, row.actor_name, str(row.config_uuid)) for row in LLMConfigChange.objects.all()} == {
        (str(admin.pk), "admin", uuid)
    }


def test_dropped_secret_is_named(api: APIClient) -> None:
    row = make_config(provider="hosted_vllm", config={"model": "m", "api_base": "https://a.example.com", "token": KEY})

    api.put(config_url(row.uuid), {"config": {"api_base": "https://b.example.com"}}, format="json")

    assert last().keys == ["config.api_base", "config.token"]


def test_refused_and_empty_changes_leave_nothing(api: APIClient) -> None:
    row = make_config()
    forget()

    api.put(config_url(row.uuid), {"config": {"api_base": "https://evil.example.net"}}, format="json")
    api.put(config_url(row.uuid), {}, format="json")
    row.save()

    assert trail() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"config": {"api_base": "http://169.254.169.254/"}}, "config.api_base"),
        ({"provider": "anthropic", "config": {}}, "config.api_key"),
        ({"config": {"token": "***"}}, "config.token"),
        ({"config": {"api_version": "os.environ/SECRET_KEY"}}, "config.api_version"),
    ],
)
def test_refused_change_is_a_line_in_the_log_without_values(
    api: APIClient, admin: Any, caplog: pytest.LogCaptureFixture, body: dict[str, Any], field: str
) -> None:
    row = make_config()
    forget()

    assert api.put(config_url(row.uuid), body, format="json").status_code == 400
    assert api.post(LLM_CONFIG, {"provider": "openai", **body}, format="json").status_code in (201, 400)

    lines = [record.getMessage() for record in caplog.records if record.name.endswith("config.refusals")]
    assert lines[0] == f"A change of configuration {row.uuid} was refused for {field} (user {admin.pk}, by way of api)"
    assert all("169.254" not in line and "SECRET_KEY" not in line for line in lines)
    assert {action for action, _keys, _via in trail()} <= {"created"}


def test_refused_policy_is_a_line_in_the_log(api: APIClient, caplog: pytest.LogCaptureFixture) -> None:
    row = make_config()

    api.put(f"{config_url(row.uuid)}fallback", {"fallback": {"retries": 9}}, format="json")

    assert f"{row.uuid} was refused for fallback.retries" in caplog.text


def test_configurations_that_go_with_their_user_are_written_down(django_user_model: Any) -> None:
    user = make_user()
    gone = {make_config(user=user).uuid, make_config(user=user).uuid}
    pk = str(user.pk)
    kept = make_config()
    forget()

    user.delete()

    rows = LLMConfigChange.objects.all()
    assert {row.config_uuid for row in rows} == gone
    assert {(row.action, *row.keys, row.owner_id, row.actor_id, row.via) for row in rows} == {
        ("deleted", pk, "", "cascade")
    }
    assert LLMConfig.objects.get() == kept


def test_who_deletes_a_user_is_named_where_he_is_known(django_user_model: Any) -> None:
    user, boss = make_user(), make_user("boss")
    make_config(user=user)

    with acting("api", lambda: boss):
        django_user_model.objects.filter(pk=user.pk).delete()

    assert (last().action, last().actor_id, last().via) == ("deleted", str(boss.pk), "cascade")


def test_looking_at_what_a_deletion_would_take_writes_nothing() -> None:
    user = make_user()
    make_config(user=user)
    forget()

    # What the Django admin asks before it deletes.
    NestedObjects(using="default").collect([user])

    assert trail() == []


@pytest.mark.django_db(transaction=True)
def test_deletion_that_is_rolled_back_leaves_nothing() -> None:
    user = make_user()
    row = make_config(user=user)
    forget()

    def delete_and_fail() -> None:
        with transaction.atomic():
            user.delete()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        delete_and_fail()

    assert trail() == []
    assert LLMConfig.objects.get() == row


def test_configuration_that_went_with_its_user_is_not_used_any_more() -> None:
    user = make_user()
    row = make_config(user=user)
    assert get_metering().resolve_config(user.pk, None, strict_user_scope=True).uuid == row.uuid
    pk = user.pk

    user.delete()

    with pytest.raises(ConfigNotFound):
        get_metering().resolve_config(pk, None, strict_user_scope=True)


def test_users_configuration_names_its_owner(api: APIClient) -> None:
    user = make_user()

    api.put(user_config_url(user.pk), {"config": OPTIONS}, format="json")
    api.delete(user_config_url(user.pk))

    assert [(row.action, row.owner_id, row.via) for row in LLMConfigChange.objects.order_by("id")] == [
        ("created", str(user.pk), "api"),
        ("deleted", str(user.pk), "api"),
    ]


def test_default_that_is_taken_away_is_a_change_of_the_other_one(api: APIClient) -> None:
    old, new = make_config(is_default=True), make_config()
    forget()

    api.put(config_url(new.uuid), {"is_default": True}, format="json")

    assert {(row.config_uuid, *row.keys) for row in LLMConfigChange.objects.all()} == {
        (old.uuid, "is_default"),
        (new.uuid, "is_default"),
    }


def _save_field(row: LLMConfig) -> None:
    row.is_active = False
    row.provider = "anthropic"
    row.save(update_fields=["is_active"])


def _save_deferred(row: LLMConfig) -> None:
    partial = LLMConfig.objects.only("is_active").get(pk=row.pk)
    partial.is_active = False
    partial.save()


WRITES: list[tuple[str, Callable[[LLMConfig], Any], list[str]]] = [
    ("changed", _save_field, ["is_active"]),
    ("changed", _save_deferred, ["is_active"]),
    (
        "changed",
        lambda row: LLMConfig.objects.filter(pk=row.pk).update(provider="x", is_active=False),
        ["is_active", "provider"],
    ),
    ("changed", lambda row: LLMConfig.objects.bulk_update([row], ["provider"]), ["provider"]),
    ("deleted", lambda row: row.delete(), []),
    ("deleted", lambda row: LLMConfig.objects.filter(pk=row.pk).delete(), []),
]


@pytest.mark.parametrize(("action", "write", "keys"), WRITES)
def test_code_leaves_its_trail_too(action: str, write: Callable[[LLMConfig], Any], keys: list[str]) -> None:
    row = make_config()
    forget()

    write(row)

    assert trail() == [(action, keys, "code")]
    assert (last().actor_id, last().config_uuid) == ("", row.uuid)


def test_bulk_made_rows_are_written_down() -> None:
    LLMConfig.objects.bulk_create([LLMConfig(scope="global", config=OPTIONS) for _ in range(3)])

    assert [action for action, _, _ in trail()] == ["created"] * 3


def test_moved_owner_is_written_down() -> None:
    row = make_config()
    forget()
    row.scope, row.user = "user", make_user()

    row.save()

    assert last().keys == ["scope", "user_id"]


def test_row_that_cannot_be_opened_is_written_down_when_it_is_saved(settings: Settings) -> None:
    row = make_config()
    forget()
    settings.SECRET_KEY = "quite another one, and long enough"
    unreadable = LLMConfig.objects.get(pk=row.pk)
    unreadable.is_active = False
    unreadable.save()
    assert last().keys == ["is_active"]

    unreadable.config = {"model": "m", "api_key": "sk-new"}
    unreadable.save()

    assert {"config.api_key"} <= {*last().keys}


def test_change_and_trail_are_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_config()

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(LLMConfigChange, "note", fail)
    row.provider = "anthropic"
    for write in (row.save, row.delete, lambda: LLMConfig.objects.update(provider="x")):
        with pytest.raises(DatabaseError), transaction.atomic():
            write()

    assert LLMConfig.objects.get().provider == "openai"


def test_no_value_is_in_the_trail(api: APIClient) -> None:
    uuid = api.post(
        LLM_CONFIG,
        {"config": {**OPTIONS, "extra_headers": {"X-Token": f"{KEY}-2"}, "model": "model-4711"}},
        format="json",
    ).json()["uuid"]
    api.put(config_url(uuid), {"config": {"api_key": f"{KEY}-3"}}, format="json")

    columns = json.dumps(list(LLMConfigChange.objects.values()), default=str)
    assert KEY not in columns
    assert "model-4711" not in columns


@pytest.mark.parametrize(
    "write",
    [
        lambda row: row.save(),
        lambda row: row.delete(),
        lambda _row: LLMConfigChange.objects.update(action="created"),
        lambda _row: LLMConfigChange.objects.all().delete(),
    ],
)
def test_trail_is_only_added_to(write: Callable[[LLMConfigChange], Any]) -> None:
    make_config()

    with pytest.raises(TypeError, match="trail"):
        write(LLMConfigChange.objects.get())


def test_actor_does_not_outlive_the_request(api: APIClient) -> None:
    api.post(LLM_CONFIG, {"config": OPTIONS}, format="json")
    api.post(LLM_CONFIG, {"config": {"api_base": "nonsense"}}, format="json")
    make_config()

    assert [via for _, _, via in trail()] == ["api", "code"]


def test_changes_are_listed_newest_first_and_in_pages(api: APIClient) -> None:
    row = make_config()
    make_config()
    for name in ("a", "b", "c"):
        row.provider = name
        row.save()

    page = api.get(f"{config_url(row.uuid)}changes/", {"page_size": 3}).json()

    assert (page["total"], page["page"], page["page_size"]) == (4, 1, 3)
    assert [item["keys"] for item in page["results"]] == [["provider"]] * 3
    assert set(page["results"][0]) == {
        "changed_at", "action", "keys", "owner_id", "actor_id", "actor_name", "via"
    }  # fmt: skip
    (first,) = api.get(f"{config_url(row.uuid)}changes/", {"page_size": 3, "page": 2}).json()["results"]
    assert first["action"] == "created"
    assert api.get(f"{config_url(row.uuid)}changes/", {"page": 10**30}).json()["results"] == []


def test_changes_of_a_deleted_configuration_are_listed_and_of_none_are_404(api: APIClient) -> None:
    row = make_config()
    row.delete()

    assert [item["action"] for item in api.get(f"{config_url(row.uuid)}changes/").json()["results"]] == [
        "deleted",
        "created",
    ]
    assert api.get(f"{config_url(uuid4())}changes/").status_code == 404


def test_row_from_before_the_trail_has_an_empty_one(api: APIClient) -> None:
    row = make_config()
    forget()

    assert api.get(f"{config_url(row.uuid)}changes/").json()["results"] == []


def test_reserved_key_is_still_refused() -> None:
    with pytest.raises(ValidationError, match="reserved"):
        make_config(config={"__secrets__": "x"})
