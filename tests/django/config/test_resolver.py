"""User, then global, then settings; a named configuration is that one or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from agentcore_metering.adapters.django.config.resolver import resolve_config
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.core.errors import ConfigNotFound, SecretUnavailable
from agentcore_metering.core.request import litellm_params
from agentcore_metering.core.types import ConfigScope
from tests.django.builders import make_user

pytestmark = pytest.mark.django_db

SETTINGS = {"provider": "OpenAI ", "config": {"model": "from-settings", "api_key": "settings-key"}}


def make_config(model: str, **fields: Any) -> LLMConfig:
    scope = LLMConfig.Scope.USER if fields.get("user") else LLMConfig.Scope.GLOBAL
    return LLMConfig.objects.create(scope=scope, config={"model": model, "api_key": f"key-of-{model}"}, **fields)


def test_the_users_own_wins_over_global_and_settings() -> None:
    user = make_user()
    make_config("global")
    own = make_config("own", user=user)

    with override_settings(AGENTCORE_METERING_LLM=SETTINGS):
        config = resolve_config(user.pk)

    assert (config.options["model"], config.scope, config.uuid) == ("own", ConfigScope.USER, own.uuid)
    assert config.secrets == ("key-of-own",)


def test_global_is_used_where_the_user_has_none() -> None:
    make_config("own", user=make_user("other"))
    make_config("global")

    assert resolve_config(make_user().pk).options["model"] == "global"


def test_settings_are_the_last_resort() -> None:
    with override_settings(AGENTCORE_METERING_LLM=SETTINGS):
        config = resolve_config(7)

    assert (config.provider, config.options["model"], config.scope, config.uuid) == (
        "openai",
        "from-settings",
        ConfigScope.SETTINGS,
        None,
    )
    assert config.secrets == ("settings-key",)


def test_the_older_settings_names_still_work() -> None:
    with override_settings(LLM_PROVIDER="azure_openai", AZURE_OPENAI_CONFIG={"api_key": "k", "model": "old"}):
        config = resolve_config()

    assert (config.provider, config.options["model"]) == ("azure_openai", "old")


def test_a_user_without_id_never_sees_users_configurations() -> None:
    make_config("own", user=make_user())

    with pytest.raises(ConfigNotFound, match="no user's configs"):
        resolve_config()


@pytest.mark.parametrize("user_id", ["not-a-number", ""])
def test_an_impossible_user_id_has_no_configuration_of_its_own(user_id: str) -> None:
    make_config("global")

    assert resolve_config(user_id).options["model"] == "global"


def test_the_default_among_globals_wins_then_the_oldest() -> None:
    make_config("first")
    make_config("second")
    assert resolve_config().options["model"] == "first"

    make_config("third", is_default=True)
    assert resolve_config().options["model"] == "third"


def test_inactive_and_other_model_types_are_not_taken() -> None:
    make_config("off", is_active=False)
    make_config("embedding", model_type=LLMConfig.MODEL_TYPE_EMBEDDING)

    with pytest.raises(ConfigNotFound):
        resolve_config()


def test_strict_user_scope_does_not_fall_back() -> None:
    make_config("global")

    with pytest.raises(ConfigNotFound, match="strict_user_scope"):
        resolve_config(7, strict_user_scope=True)
    assert resolve_config(None, strict_user_scope=True).options["model"] == "global"


def test_a_named_configuration_is_that_one() -> None:
    user = make_user()
    make_config("global", is_default=True)
    own = make_config("own", user=user)

    assert resolve_config(user.pk, own.uuid).options["model"] == "own"
    assert resolve_config(user.pk, str(own.uuid)).options["model"] == "own"
    assert resolve_config(None, own.uuid).options["model"] == "own"


@pytest.mark.parametrize("case", ["unknown", "malformed", "inactive", "another's"])
def test_a_named_configuration_that_may_not_be_used_is_not_found(case: str) -> None:
    make_config("global", is_default=True)
    named = {
        "unknown": "5b6f2c1e-0000-4000-8000-000000000000",
        "malformed": "x",
        "inactive": make_config("off", is_active=False).uuid,
        "another's": make_config("theirs", user=make_user("other")).uuid,
    }[case]

    with pytest.raises(ConfigNotFound, match="model_uuid"):
        resolve_config(make_user().pk, named)


def test_a_secret_that_cannot_be_opened_is_told_when_it_is_needed() -> None:
    make_config("global")

    with override_settings(SECRET_KEY="another"):
        config = resolve_config()
        with pytest.raises(SecretUnavailable):
            litellm_params(config.provider, config.options)
