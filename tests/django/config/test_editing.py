from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from agentcore_metering.adapters.django.config.editing import (
    ConfigChange,
    create_config,
    default_config_uuid,
    merged_options,
    update_config,
)
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.core.errors import InvalidField
from tests.django.factories import KEY, make_config, make_user

STORED = {"model": "gpt-4o-mini", "api_key": KEY, "api_base": "https://api.example.com/v1", "temperature": 0.5}


def merge(
    sent: dict[str, Any], *, stored: dict[str, Any] | None = None, old: str = "openai", new: str = "openai"
) -> Any:
    return merged_options(old, STORED if stored is None else stored, new, sent)


def test_merge_keeps_what_was_not_sent() -> None:
    assert merge({"temperature": 0.1}) == {**STORED, "temperature": 0.1}


def test_merge_with_null_deletes_the_key() -> None:
    assert "temperature" not in merge({"temperature": None})


def test_merge_with_a_mask_keeps_the_secret() -> None:
    assert merge({"api_key": "***4711", "model": "gpt-5"}) == {**STORED, "model": "gpt-5"}


def test_merge_with_a_new_secret_takes_it() -> None:
    assert merge({"api_key": "sk-new"})["api_key"] == "sk-new"


@pytest.mark.parametrize(
    "sent",
    [
        {"api_base": "https://evil.example.net/v1"},
        {"api_base": "https://evil.example.net/v1", "api_key": "***4711"},
        {"api_base": None},
        {"extra_headers": {"X-Forwarded-Host": "evil.example.net"}},
        {"model": "deepseek/deepseek-chat"},
    ],
    ids=["other address", "other address and mask", "no address", "other headers", "other route"],
)
def test_merge_to_another_place_asks_for_the_key_again(sent: dict[str, Any]) -> None:
    with pytest.raises(InvalidField, match="enter api_key again") as caught:
        merge(sent)

    assert caught.value.field == "config.api_key"
    assert KEY not in str(caught.value)


def test_merge_to_another_provider_asks_for_the_key_again() -> None:
    with pytest.raises(InvalidField, match="enter api_key again"):
        merge({}, new="anthropic")


def test_merge_to_another_place_with_a_new_key_takes_both() -> None:
    sent = {"api_base": "https://other.example.com", "api_key": "sk-new"}

    assert merge(sent) == {**STORED, **sent}


def test_merge_to_another_place_drops_secrets_that_are_not_required() -> None:
    stored = {**STORED, "aws_secret_access_key": "aws-secret", "vision": True, "beta_flag": False}

    merged = merge({"api_base": "https://other.example.com", "api_key": "sk-new"}, stored=stored)

    assert merged.keys() == STORED.keys() | {"vision", "beta_flag"}


@pytest.mark.parametrize(
    ("key", "stored", "sent"),
    [
        ("aws_secret_access_key", "aws-secret", "***"),
        ("extra_headers", {"Authorization": KEY}, {"Authorization": "***4711", "X-Team": "blue"}),
        ("clients", [{"token": KEY}, None], [{"token": "***4711"}, None]),
    ],
)
def test_merge_to_another_place_with_the_mask_of_another_secret_names_it(key: str, stored: Any, sent: Any) -> None:
    change = {"api_base": "https://other.example.com", "api_key": "sk-new", key: sent}

    with pytest.raises(InvalidField) as caught:
        merge(change, stored={**STORED, key: stored})

    assert caught.value.field == f"config.{key}"


def test_merge_to_another_place_keeps_what_holds_no_secret() -> None:
    stored = {**STORED, "flags": {"is_on": True, "list": [None, False]}}

    merged = merge({"api_base": "https://other.example.com", "api_key": "sk-new"}, stored=stored)

    assert merged["flags"] == stored["flags"]


@pytest.mark.parametrize(
    "sent",
    [
        {"api_base": "https://api.example.com/v1/"},
        {"model": "gpt-5"},
        {"model": "ft:gpt-4o:acme"},
        {"extra_headers": {}},
    ],
    ids=["slash at the end", "other model", "fine-tuned model", "no headers"],
)
def test_merge_to_the_same_place_keeps_the_key(sent: dict[str, Any]) -> None:
    assert merge(sent)["api_key"] == KEY


def test_merge_of_a_gateway_keeps_the_key_for_any_model_name() -> None:
    assert merge({"model": "meta/llama"}, old="openrouter", new="openrouter")["api_key"] == KEY


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"model": 5}, "config.model"),
        ({"api_key": 5}, "config.api_key"),
        ({"api_key": ["sk"]}, "config.api_key"),
        ({"api_base": "ftp://example.com"}, "config.api_base"),
        ({"api_base": "http://[::1"}, "config.api_base"),
        ({"api_base": "http://example.com:99999"}, "config.api_base"),
        ({"api_base": 5}, "config.api_base"),
        ({"extra_headers": ["x"]}, "config.extra_headers"),
        ({"name": "a\x00b"}, "config.name"),
        ({"name": "\ud800"}, "config.name"),
        ({"a\x00b": 1}, "config.a\x00b"),
        ({"top_p": float("nan")}, "config.top_p"),
        ({"top_p": float("inf")}, "config.top_p"),
    ],
)
def test_merge_of_a_value_that_cannot_be_is_refused(sent: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        merge({**sent, "api_base": sent.get("api_base", STORED["api_base"])})

    assert caught.value.field == field


def test_merge_of_a_deeply_nested_value_is_refused() -> None:
    nested: Any = "leaf"
    for _ in range(40):
        nested = [nested]

    with pytest.raises(InvalidField, match="levels deep"):
        merge({"vision": nested})


def test_merge_leaves_an_old_value_of_the_wrong_type_alone() -> None:
    stored = {**STORED, "organization": 5}

    assert merge({"organization": 5, "temperature": 1}, stored=stored)["organization"] == 5


@pytest.mark.django_db
@pytest.mark.parametrize("change", [ConfigChange(), ConfigChange(options={})])
def test_create_without_anything_makes_an_active_global_configuration(change: ConfigChange) -> None:
    row = LLMConfig.objects.get(pk=create_config(change).pk)

    assert (row.scope, row.user, row.provider, row.config) == ("global", None, "openai", {})
    assert (row.is_active, row.is_default, row.model_type) == (True, False, "llm")


@pytest.mark.django_db
def test_create_for_a_user_is_never_the_default() -> None:
    row = create_config(ConfigChange(is_default=True, options={"api_key": KEY}), make_user())

    assert (row.scope, row.is_default) == ("user", False)


@pytest.mark.django_db
@pytest.mark.parametrize("options", [{"api_key": "***"}, {"extra_headers": {"Authorization": "***1234"}}])
def test_create_with_a_mask_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidField, match="mask"):
        create_config(ConfigChange(options=options))

    assert not LLMConfig.objects.exists()


@pytest.mark.django_db
def test_create_with_the_reserved_key_is_refused() -> None:
    with pytest.raises(InvalidField, match="reserved"):
        create_config(ConfigChange(options={"__secrets__": "enc:v1:00000000:stolen"}))


@pytest.mark.django_db
def test_default_is_switched_among_global_rows_of_its_type() -> None:
    old = make_config(is_default=True)
    embedding = make_config(is_default=True, model_type="embedding")
    user_row = make_config(user=make_user(), is_default=True)
    new = create_config(ConfigChange(is_default=True))

    flags = dict(LLMConfig.objects.values_list("pk", "is_default"))
    assert flags == {old.pk: False, embedding.pk: True, user_row.pk: True, new.pk: True}
    assert default_config_uuid() == new.uuid


@pytest.mark.django_db
def test_default_without_a_flag_is_the_oldest_active_row() -> None:
    make_config(is_active=False, is_default=True)
    make_config(model_type="embedding")
    oldest = make_config()
    make_config()

    assert default_config_uuid() == oldest.uuid


@pytest.mark.django_db
def test_default_of_two_flags_stays_while_other_things_change() -> None:
    first, second = make_config(is_default=True), make_config(is_default=True)

    update_config(second, ConfigChange(is_active=True))

    assert default_config_uuid() == first.uuid


@pytest.mark.django_db
def test_update_writes_what_changed_and_keeps_the_rest() -> None:
    row = make_config()

    update_config(row, ConfigChange(options={"temperature": 0.2}, is_active=False))

    row.refresh_from_db()
    assert row.config == {"model": "gpt-4o-mini", "api_key": KEY, "temperature": 0.2}
    assert not row.is_active


@pytest.mark.django_db
def test_update_reads_the_row_anew() -> None:
    row = make_config()
    update_config(row, ConfigChange(options={"temperature": 0.2}))

    update_config(row, ConfigChange(options={"top_p": 0.9}))

    assert LLMConfig.objects.get(pk=row.pk).config.keys() == {"model", "api_key", "temperature", "top_p"}


@pytest.mark.django_db
def test_update_of_unreadable_secrets_asks_for_them_unless_only_flags_change() -> None:
    row = make_config()

    with override_settings(SECRET_KEY="another key, under which nothing of before can be read"):
        update_config(row, ConfigChange(is_active=False))
        with pytest.raises(InvalidField, match="Enter api_key again") as caught:
            update_config(row, ConfigChange(options={"temperature": 0.2}))
        assert caught.value.field == "config.api_key"

    assert LLMConfig.objects.get(pk=row.pk).config["api_key"] == KEY


@pytest.mark.django_db
def test_update_of_unreadable_secrets_with_new_ones_replaces_them() -> None:
    row = make_config()

    with override_settings(SECRET_KEY="another key, under which nothing of before can be read"):
        update_config(row, ConfigChange(options={"api_key": "sk-new"}))

        assert LLMConfig.objects.get(pk=row.pk).config == {"model": "gpt-4o-mini", "api_key": "sk-new"}


@pytest.mark.django_db(transaction=True)
def test_default_switched_by_many_at_once_is_one_and_nobody_fails() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time")
    rows = [make_config() for _ in range(3)]

    def switch(number: int) -> None:
        try:
            for turn in range(8):
                update_config(rows[(number + turn) % 3], ConfigChange(is_default=True))
            create_config(ConfigChange(is_default=True))
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(switch, range(3)))

    assert LLMConfig.objects.filter(is_default=True).count() == 1
