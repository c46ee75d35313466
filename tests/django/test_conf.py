from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from agentcore_metering.adapters.django.conf import (
    MeteringSettings,
    Setting,
    deepseek_thinking_model_prefixes,
    legacy_llm_settings,
    metering_settings,
    secret_key_material,
)

DEFAULTS = {
    "RETENTION_DAYS": 365,
    "CLEANUP_ENABLED": True,
    "CLEANUP_CRONTAB": "0 2 * * *",
    "AGGREGATION_CRONTAB": "5 * * * *",
    "AGGREGATION_TIMEZONE": "Asia/Shanghai",
    "LLM": None,
    "ENCRYPTION_KEYS": (),
    "DATABASE_ALIAS": "default",
    "REDACT_EXCEPTIONS": True,
    "READ_WAIT_S": 1.0,
    "INLINE_WAIT_S": 1.0,
    "COST_SPAN_CONVENTION": "otel-draft",
    "COST_METRIC_ALIAS": False,
    "MAX_METRIC_MODELS": 200,
    "CAPTURE_CONTENT": None,
    "CONTENT_REDACTOR": None,
    "TRACE_URL_TEMPLATE": None,
}


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items())
def test_setting_left_out_reads_as_its_default(name: str, default: object) -> None:
    assert getattr(metering_settings, name) == default
    assert type(getattr(metering_settings, name)) is type(default)


def test_settings_carry_the_prefix_in_django() -> None:
    declared = {setting.name for setting in vars(MeteringSettings).values() if isinstance(setting, Setting)}

    assert declared >= {f"AGENTCORE_METERING_{name}" for name in DEFAULTS}


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("RETENTION_DAYS", 30, 30),
        ("READ_WAIT_S", 0, 0.0),
        ("ENCRYPTION_KEYS", "new, old,", ("new", "old")),
        ("ENCRYPTION_KEYS", ["new", "old"], ("new", "old")),
        ("LLM", {"provider": "openai", "config": {"model": "m"}}, {"provider": "openai", "config": {"model": "m"}}),
        ("LLM", {"provider": "openai"}, {"provider": "openai", "config": {}}),
        ("CAPTURE_CONTENT", "EVENT_ONLY", "EVENT_ONLY"),
        ("CONTENT_REDACTOR", "builtins.ascii", ascii),
        ("CONTENT_REDACTOR", ascii, ascii),
        (
            "TRACE_URL_TEMPLATE",
            'https://grafana.example/explore?panes={"a":1}&t={trace_id}&s={span_id}',
            'https://grafana.example/explore?panes={"a":1}&t={trace_id}&s={span_id}',
        ),
    ],
)
def test_setting_given_reads_as_its_type_at_each_access(name: str, given: object, read: object) -> None:
    with override_settings(**{f"AGENTCORE_METERING_{name}": given}):
        assert getattr(metering_settings, name) == read

    assert getattr(metering_settings, name) == DEFAULTS[name]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("RETENTION_DAYS", "365"),
        ("RETENTION_DAYS", True),
        ("CLEANUP_ENABLED", "yes"),
        ("CLEANUP_CRONTAB", None),
        ("READ_WAIT_S", -1),
        ("READ_WAIT_S", "1"),
        ("INLINE_WAIT_S", float("nan")),
        ("DATABASE_ALIAS", 1),
        ("COST_SPAN_CONVENTION", "otel"),
        ("COST_METRIC_ALIAS", 1),
        ("MAX_METRIC_MODELS", 0),
        ("CAPTURE_CONTENT", "true"),
        ("CONTENT_REDACTOR", 1),
        ("CONTENT_REDACTOR", "tests.no_such_module.redact"),
        ("CONTENT_REDACTOR", "tests.settings.SECRET_KEY"),
        ("TRACE_URL_TEMPLATE", "/explore/{trace_id}"),
        ("TRACE_URL_TEMPLATE", "javascript:alert('{trace_id}')"),
        ("TRACE_URL_TEMPLATE", "https://grafana.example/explore"),
        ("TRACE_URL_TEMPLATE", "https://grafana.example/{trace_id}/{user}"),
        ("TRACE_URL_TEMPLATE", "https:///{trace_id}"),
        ("TRACE_URL_TEMPLATE", "https://grafana.example/{trace_id} x"),
    ],
)
def test_setting_of_wrong_type_names_setting_and_value(name: str, wrong: object) -> None:
    with (
        override_settings(**{f"AGENTCORE_METERING_{name}": wrong}),
        pytest.raises(ImproperlyConfigured) as raised,
    ):
        getattr(metering_settings, name)

    assert f"AGENTCORE_METERING_{name}" in str(raised.value)
    assert repr(wrong) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("ENCRYPTION_KEYS", {"sk-canary"}), ("ENCRYPTION_KEYS", ["sk-canary", 1]), ("LLM", {"api_key": "sk-canary"})],
)
def test_secret_setting_of_wrong_type_keeps_its_value_out_of_the_error(name: str, wrong: object) -> None:
    with (
        override_settings(**{f"AGENTCORE_METERING_{name}": wrong}),
        pytest.raises(ImproperlyConfigured) as raised,
    ):
        getattr(metering_settings, name)

    assert f"AGENTCORE_METERING_{name}" in str(raised.value)
    assert "sk-canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"OPENAI_CONFIG": {"api_key": "k"}}, {"provider": "openai", "config": {"api_key": "k"}}),
        ({"LLM_PROVIDER": None, "OPENAI_CONFIG": {"model": "m"}}, {"provider": "openai", "config": {"model": "m"}}),
        (
            {
                "LLM_PROVIDER": "azure_openai",
                "AZURE_OPENAI_CONFIG": {"api_key": "k"},
                "OPENAI_CONFIG": {"api_key": "o"},
            },
            {"provider": "azure_openai", "config": {"api_key": "k"}},
        ),
        ({"LLM_PROVIDER": "gemini", "OPENAI_CONFIG": {"api_key": "o"}}, None),
        ({"OPENAI_CONFIG": {}}, None),
    ],
    ids=["none", "openai_is_implied", "provider_none", "named_provider", "config_of_another_provider", "empty_config"],
)
def test_legacy_settings_give_the_named_providers_configuration(settings: dict[str, Any], expected: object) -> None:
    with override_settings(**settings):
        assert legacy_llm_settings() == expected


def test_legacy_config_of_wrong_type_is_refused() -> None:
    with (
        override_settings(OPENAI_CONFIG="sk-canary"),
        pytest.raises(ImproperlyConfigured, match="OPENAI_CONFIG is str"),
    ):
        legacy_llm_settings()


def test_secret_key_material_is_the_key_and_then_its_fallbacks() -> None:
    with override_settings(SECRET_KEY="now", SECRET_KEY_FALLBACKS=["before", "long ago"]):
        assert secret_key_material() == ("now", "before", "long ago")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(("a/", "b/"), ("a/", "b/")), ("a/", ("a/",)), ("a/, b/", ("a/", "b/"))],
)
def test_prefixes_of_thinking_models_are_a_list_or_a_string(
    settings: Any, value: Any, expected: tuple[str, ...]
) -> None:
    settings.AGENTCORE_DEEPSEEK_THINKING_MODEL_PREFIXES = value

    assert deepseek_thinking_model_prefixes() == expected


def test_prefixes_of_thinking_models_default_to_deepseeks() -> None:
    assert deepseek_thinking_model_prefixes() == ("deepseek/", "openai/deepseek/")
