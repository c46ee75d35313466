from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import get_user_model
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import connection
from django.forms import modelform_factory
from django.test import override_settings

from agentcore_metering.adapters.django.fields import UnreadableConfig
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.secretbox import UNBOUND, Binding, unseal
from agentcore_metering.core.errors import SecretUnavailable

pytestmark = pytest.mark.django_db

CONFIG = {
    "model": "gpt-4o",
    "temperature": 0.5,
    "vision": True,
    "fallback_model_uuids": ["a"],
    "api_key": "sk-canary",
    "extra_headers": {"Authorization": "Bearer canary"},
    "unknown_key": ["canary"],
}
PUBLIC = {key: CONFIG[key] for key in ("model", "temperature", "vision", "fallback_model_uuids")}
SOME_KEY, OTHER_KEY = (Fernet.generate_key().decode() for _ in range(2))

with_some_key = override_settings(AGENTCORE_METERING_ENCRYPTION_KEYS=[SOME_KEY])
with_other_key = override_settings(AGENTCORE_METERING_ENCRYPTION_KEYS=[OTHER_KEY])


def stored_text(row: LLMConfig) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(config AS text) FROM agentcore_metering_llm_config WHERE id = %s", [row.pk])
        (text,) = cursor.fetchone()
    return str(text)


def sealed_text(row: LLMConfig) -> str:
    return str(json.loads(stored_text(row))["__secrets__"])


def binding_in(sealed: str) -> Binding:
    _secrets, binding = unseal(sealed)
    return binding


def store_text(row: LLMConfig, config: dict[str, Any]) -> None:
    value = "CAST(%s AS jsonb)" if connection.vendor == "postgresql" else "%s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE agentcore_metering_llm_config SET config = {value} WHERE id = %s", [json.dumps(config), row.pk]
        )


@pytest.fixture
def row() -> LLMConfig:
    return LLMConfig.objects.create(scope=LLMConfig.Scope.GLOBAL, provider="openai", config=dict(CONFIG))


@pytest.fixture
def user() -> Any:
    return get_user_model().objects.create(username="owner")


def test_secrets_never_reach_the_database_in_clear(row: LLMConfig) -> None:
    assert "canary" not in stored_text(row)
    assert "sk-" not in stored_text(row)
    assert {key: value for key, value in json.loads(stored_text(row)).items() if key != "__secrets__"} == PUBLIC
    assert sealed_text(row).startswith("enc:v1:")


def test_config_reads_as_a_plain_dictionary(row: LLMConfig) -> None:
    assert type(row.config) is dict
    assert type(LLMConfig.objects.get().config) is dict
    assert LLMConfig.objects.get().config == CONFIG


def test_values_give_secrets_in_clear(row: LLMConfig) -> None:
    assert LLMConfig.objects.values("provider", "config").get() == {"provider": "openai", "config": CONFIG}
    assert LLMConfig.objects.values_list("config", flat=True).get() == CONFIG
    assert json.loads(json.dumps(LLMConfig.objects.values_list("config", flat=True).get())) == CONFIG


@pytest.mark.parametrize("fields", [None, ["config"]])
def test_refresh_from_db_gives_secrets_in_clear(row: LLMConfig, fields: list[str] | None) -> None:
    row.config = {}

    row.refresh_from_db(fields=fields)

    assert row.config == CONFIG
    assert type(row.config) is dict


def test_deferred_config_gives_secrets_in_clear(row: LLMConfig) -> None:
    assert LLMConfig.objects.defer("config").get().config == CONFIG
    assert LLMConfig.objects.only("config").get().config == CONFIG


def test_row_of_the_older_schema_reads_unchanged_and_is_sealed_at_its_next_save(row: LLMConfig) -> None:
    store_text(row, CONFIG)
    row.refresh_from_db()
    assert row.config == CONFIG

    row.save()

    assert "canary" not in stored_text(row)
    row.refresh_from_db()
    assert row.config == CONFIG


def test_config_without_secrets_is_stored_as_it_is() -> None:
    row = LLMConfig.objects.create(scope="global", config={"model": "m"})

    assert json.loads(stored_text(row)) == {"model": "m"}


def test_saved_secrets_are_bound_to_row_scope_and_user(user: Any) -> None:
    row = LLMConfig.objects.create(scope="user", user=user, config=CONFIG)

    binding = binding_in(sealed_text(row))

    assert (binding.row, binding.scope, binding.user) == (str(row.uuid), "user", str(user.pk))


def test_queryset_update_seals_and_the_next_save_binds(row: LLMConfig) -> None:
    LLMConfig.objects.update(config={"model": "n", "api_key": "sk-canary-2"})

    assert "canary" not in stored_text(row)
    assert binding_in(sealed_text(row)) == UNBOUND
    row.refresh_from_db()
    assert row.config == {"model": "n", "api_key": "sk-canary-2"}
    row.save()
    assert binding_in(sealed_text(row)).row == str(row.uuid)


def test_bulk_create_seals_and_binds() -> None:
    rows = LLMConfig.objects.bulk_create(
        [LLMConfig(scope="global", config={"api_key": f"sk-canary-{number}"}) for number in range(2)]
    )

    for number, row in enumerate(rows):
        assert "canary" not in stored_text(row)
        assert binding_in(sealed_text(row)).row == str(row.uuid)
        assert LLMConfig.objects.get(pk=row.pk).config == {"api_key": f"sk-canary-{number}"}


def test_bulk_update_seals(row: LLMConfig) -> None:
    row.config = {"api_key": "sk-canary-2"}

    LLMConfig.objects.bulk_update([row], ["config"])

    assert "canary" not in stored_text(row)
    assert LLMConfig.objects.get().config == {"api_key": "sk-canary-2"}


def test_save_of_another_owner_seals_for_him(user: Any, row: LLMConfig) -> None:
    row.scope, row.user = "user", user

    row.save(update_fields=["scope", "user"])

    assert LLMConfig.objects.get().config == CONFIG


def test_save_of_another_owner_without_the_config_seals_for_him(user: Any, row: LLMConfig) -> None:
    partial = LLMConfig.objects.defer("config").get()
    partial.scope, partial.user = "user", user

    partial.save()

    assert LLMConfig.objects.get().config == CONFIG


def test_queryset_update_of_the_owner_is_refused(row: LLMConfig) -> None:
    with pytest.raises(ValueError, match="scope"):
        LLMConfig.objects.update(scope="user")


def test_queryset_update_of_other_columns_keeps_the_secrets(row: LLMConfig) -> None:
    LLMConfig.objects.update(is_active=False)

    assert LLMConfig.objects.get(is_active=False).config == CONFIG


@pytest.mark.parametrize(
    "lookup",
    [
        {"config__model": "gpt-4o"},
        {"config__temperature__gt": 0.4},
        {"config__has_key": "model"},
        {"config__vision": True},
    ],
)
def test_lookup_by_a_public_key_works(row: LLMConfig, lookup: dict[str, Any]) -> None:
    LLMConfig.objects.create(scope="global", config={"temperature": 0.1, "vision": False, "api_key": "k"})

    assert LLMConfig.objects.get(**lookup) == row
    assert LLMConfig.objects.filter(**lookup).values_list("config__model", flat=True).get() == "gpt-4o"


def test_lookup_by_a_secret_finds_nothing(row: LLMConfig) -> None:
    assert not LLMConfig.objects.filter(config__api_key="sk-canary").exists()
    assert not LLMConfig.objects.filter(config={"api_key": "sk-canary"}).exists()


def test_lookup_by_a_whole_public_config_works() -> None:
    LLMConfig.objects.create(scope="global", config={"model": "m"})

    assert LLMConfig.objects.filter(config={"model": "m"}).exists()


class TestWithoutTheKey:
    """A row that was sealed under a key that is gone."""

    @pytest.fixture
    def row(self) -> LLMConfig:
        with with_some_key:
            return LLMConfig.objects.create(scope="global", config=dict(CONFIG))

    @with_other_key
    def test_row_is_listed_with_its_public_keys(self, row: LLMConfig) -> None:
        (listed,) = LLMConfig.objects.all()

        assert listed.config == PUBLIC
        assert listed.config["model"] == "gpt-4o"
        assert listed.config.get("top_p", 1.0) == 1.0
        assert json.loads(json.dumps(listed.config)) == PUBLIC
        assert LLMConfig.objects.values_list("config", flat=True).get() == PUBLIC

    @with_other_key
    @pytest.mark.parametrize(
        "read",
        [
            lambda config: config["api_key"],
            lambda config: config.get("api_key"),
            lambda config: config.get("api_key", "none"),
            lambda config: config.pop("api_key", None),
            lambda config: config.copy()["api_key"],
            lambda config: copy.deepcopy(config)["api_key"],
            lambda config: pickle.loads(pickle.dumps(config))["api_key"],
        ],
        ids=["item", "get", "get_default", "pop", "copy", "deepcopy", "pickle"],
    )
    def test_reading_a_secret_is_a_typed_error_without_ciphertext(self, row: LLMConfig, read: Any) -> None:
        config = LLMConfig.objects.get().config

        with pytest.raises(SecretUnavailable) as raised:
            read(config)

        assert sealed_text(row).rpartition(":")[2] not in str(raised.value)

    @with_other_key
    def test_public_key_that_is_not_there_is_a_key_error(self, row: LLMConfig) -> None:
        with pytest.raises(KeyError):
            LLMConfig.objects.get().config["top_p"]

    def test_saving_keeps_the_sealed_text(self, row: LLMConfig) -> None:
        before = sealed_text(row)
        with with_other_key:
            unreadable = LLMConfig.objects.get()
            unreadable.config["temperature"] = 0.9
            unreadable.is_active = False
            unreadable.save()

        assert sealed_text(row) == before
        with with_some_key:
            assert LLMConfig.objects.get(is_active=False).config == {**CONFIG, "temperature": 0.9}

    @with_other_key
    def test_adding_a_secret_to_what_is_left_is_refused(self, row: LLMConfig) -> None:
        unreadable = LLMConfig.objects.get()
        unreadable.config["api_key"] = "sk-new"

        with pytest.raises(SecretUnavailable, match="complete configuration"):
            unreadable.save()

    @with_other_key
    def test_assigning_a_complete_config_replaces_it(self, row: LLMConfig) -> None:
        unreadable = LLMConfig.objects.get()
        unreadable.config = {"model": "m", "api_key": "sk-new"}

        unreadable.save()

        assert LLMConfig.objects.get().config == {"model": "m", "api_key": "sk-new"}


@pytest.mark.parametrize("sealed", ["enc:v1:00000000:AAAA", "nonsense", 5, None])
def test_damaged_sealed_text_is_listed_and_unreadable(row: LLMConfig, sealed: object) -> None:
    store_text(row, {"model": "m", "__secrets__": sealed})

    config = LLMConfig.objects.get().config

    assert config == {"model": "m"}
    with pytest.raises(SecretUnavailable):
        config["api_key"]


class TestMovedCiphertext:
    """Sealed text that somebody with access to the database copied to a row of his own."""

    @pytest.fixture
    def moved(self, row: LLMConfig, user: Any) -> LLMConfig:
        own = LLMConfig.objects.create(scope="user", user=user, config={"model": "mine", "api_key": "sk-own"})
        store_text(own, {"model": "mine", "__secrets__": sealed_text(row)})
        return own

    @pytest.mark.parametrize(
        "load",
        [
            lambda moved: LLMConfig.objects.get(pk=moved.pk),
            lambda moved: LLMConfig.objects.defer("config").get(pk=moved.pk),
            lambda moved: LLMConfig.objects.select_related("user").get(pk=moved.pk),
            lambda moved: moved.refresh_from_db() or moved,
            lambda moved: moved.refresh_from_db(fields=["config"]) or moved,
            lambda moved: moved.user.llm_configs.get(),
        ],
        ids=["get", "defer", "select_related", "refresh", "refresh_config", "related"],
    )
    def test_row_does_not_give_anothers_secret(self, moved: LLMConfig, load: Any) -> None:
        loaded = load(moved)

        assert loaded.config == {"model": "mine"}
        assert "canary" not in repr(loaded.config)
        with pytest.raises(SecretUnavailable, match="another row"):
            loaded.config["api_key"]

    def test_saving_does_not_make_it_the_rows_own(self, moved: LLMConfig) -> None:
        LLMConfig.objects.get(pk=moved.pk).save()
        LLMConfig.objects.defer("config").get(pk=moved.pk).save()

        assert isinstance(LLMConfig.objects.get(pk=moved.pk).config, UnreadableConfig)

    def test_scope_that_was_changed_in_the_database_makes_the_row_unreadable(self, row: LLMConfig, user: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE agentcore_metering_llm_config SET scope = 'user', user_id = %s", [user.pk])

        assert isinstance(LLMConfig.objects.get().config, UnreadableConfig)


def test_secret_that_older_code_added_in_clear_wins_over_the_sealed_one(row: LLMConfig) -> None:
    store_text(row, {"api_key": "sk-newer", "__secrets__": sealed_text(row)})

    assert LLMConfig.objects.get().config["api_key"] == "sk-newer"


@pytest.mark.parametrize("config", [[1], "text", 5, True])
def test_config_that_is_no_object_is_refused(config: object) -> None:
    with pytest.raises(ValidationError, match="JSON object"):
        LLMConfig.objects.create(scope="global", config=config)


def test_update_to_a_config_that_is_no_object_is_refused(row: LLMConfig) -> None:
    with pytest.raises(ValidationError, match="JSON object"):
        LLMConfig.objects.update(config=["sk-canary"])


def test_sealed_text_is_not_accepted_from_outside(row: LLMConfig) -> None:
    forged = LLMConfig(scope="global", config={"model": "m", "__secrets__": sealed_text(row)})

    with pytest.raises(ValidationError, match="reserved"):
        forged.full_clean()
    with pytest.raises(ValidationError, match="reserved"):
        forged.save()


def test_validation_accepts_a_config_and_leaves_it_as_it_is() -> None:
    row = LLMConfig(scope="global", config=dict(CONFIG))

    row.full_clean()

    assert row.config == CONFIG


def test_fixture_holds_no_secret_and_loads_back(row: LLMConfig) -> None:
    fixture = serializers.serialize("json", LLMConfig.objects.all())
    LLMConfig.objects.all().delete()

    for deserialized in serializers.deserialize("json", fixture):
        deserialized.save()

    assert "canary" not in fixture
    assert "canary" not in stored_text(row)
    assert LLMConfig.objects.get().config == CONFIG


def test_generated_form_leaves_the_config_out() -> None:
    form = modelform_factory(LLMConfig, fields="__all__")

    assert "provider" in form.base_fields
    assert "config" not in form.base_fields


def test_values_survive_pickling_and_copying(row: LLMConfig) -> None:
    config = LLMConfig.objects.values_list("config", flat=True).get()

    assert pickle.loads(pickle.dumps(config)) == CONFIG
    assert copy.deepcopy(config) == CONFIG
