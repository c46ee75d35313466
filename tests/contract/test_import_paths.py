"""Every module and name that existing projects import is where they look for it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

AD = "agentcore_metering.adapters.django"

NAMES: dict[str, tuple[str, ...]] = {
    "agentcore_metering.constants": (
        "DEFAULT_COST_CURRENCY",
        "DEFAULT_MAX_TOKENS",
        "DEFAULT_TEMPERATURE",
        "DEFAULT_TOP_P",
        "LITELLM_NUM_RETRIES",
        "LITELLM_REQUEST_TIMEOUT",
        "TEST_MAX_TOKENS",
    ),
    AD: ("LLMTracker",),
    f"{AD}.trackers.llm": ("LLMTracker", "_repair_json_obj", "_raise_friendly", "_assistant_message_payload"),
    f"{AD}.models": ("LLMConfig", "LLMUsage", "LLMUsageSeries", "MeteringConfig"),
    f"{AD}.services": (
        "aggregate_usage_to_series",
        "get_config_from_db",
        "get_config_list_from_db",
        "get_global_config",
        "get_litellm_params",
        "get_llm_usage_list",
        "get_llm_usage_list_from_query",
        "get_provider_params_schema",
        "get_series_for_charts",
        "get_token_stats_from_query",
        "set_global_config",
        "validate_llm_config",
    ),
    f"{AD}.services.config_source": (
        "get_config_from_db",
        "get_config_list_from_db",
        "get_default_llm_config_uuid",
        "set_default_llm_config",
    ),
    f"{AD}.services.runtime_config": (
        "VALIDATION_MESSAGE_IDS",
        "LLMProviderError",
        "build_litellm_params_from_config",
        "friendly_llm_exception",
        "get_litellm_params",
        "get_provider_params_schema",
        "get_validation_message",
        "run_test_call",
        "run_test_call_stream",
        "validate_llm_config",
    ),
    f"{AD}.services.litellm_params": ("build_litellm_params_from_config", "get_provider_params_schema"),
    f"{AD}.services.model_catalog": (
        "get_model_capabilities",
        "get_model_type_for_model_id",
        "get_providers_with_models",
    ),
    f"{AD}.services.litellm_retry": ("calculate_retry_delay", "is_retryable_exception"),
    f"{AD}.services.metering_config": ("get_global_config", "set_global_config"),
    f"{AD}.services.usage_list": ("get_llm_usage_list", "get_llm_usage_list_from_query"),
    f"{AD}.services.usage_aggregation": (
        "get_stats_by_model",
        "get_summary_stats",
        "get_time_series_stats",
        "get_token_stats_from_query",
    ),
    f"{AD}.services.usage_chart_series": ("aggregate_usage_to_series", "get_series_for_charts"),
    f"{AD}.urls": ("app_name", "urlpatterns"),
    f"{AD}.user_urls": ("app_name", "urlpatterns"),
    f"{AD}.tasks": ("aggregate_llm_usage_series_task", "cleanup_old_llm_usage_task"),
    f"{AD}.tasks.cleanup": ("cleanup_old_llm_usage_task",),
    f"{AD}.tasks.aggregate": ("aggregate_llm_usage_series_task",),
    f"{AD}.cleanup": ("cleanup_old_llm_usage",),
    f"{AD}.periodic_tasks": ("register_periodic_tasks",),
    f"{AD}.conf": (
        "get_aggregation_beat_schedule_init",
        "get_aggregation_crontab",
        "get_aggregation_timezone",
        "get_cleanup_beat_schedule_init",
        "get_cleanup_crontab",
        "get_cleanup_enabled",
        "get_retention_days",
        "is_valid_crontab_expression",
    ),
    f"{AD}.views": (
        "AdminLLMConfigAllListView",
        "AdminLLMConfigDetailView",
        "AdminLLMConfigGlobalView",
        "AdminLLMConfigModelsView",
        "AdminLLMConfigProvidersView",
        "AdminLLMConfigTestCallView",
        "AdminLLMConfigTestView",
        "AdminLLMConfigUserDetailView",
        "AdminLLMConfigUserListView",
        "AdminLLMUsageListView",
        "AdminTokenStatsView",
        "AdminUsersListView",
        "MeteringConfigAPIView",
    ),
    f"{AD}.management.commands.aggregate_llm_usage_series": ("Command",),
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in NAMES.items() for name in names], ids=lambda text: text
)
def test_name_that_existing_projects_import_is_there(module: str, name: str) -> None:
    assert getattr(import_module(module), name) is not None


@pytest.mark.parametrize("module", [AD, f"{AD}.services", f"{AD}.conf"])
def test_name_that_there_is_not_is_an_attribute_error(module: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = import_module(module).no_such_name


@pytest.mark.parametrize("name", ["_call_and_track_non_stream_once", "_save_usage_to_db", "call_and_track"])
def test_tracker_has_the_methods_that_existing_projects_call(name: str) -> None:
    tracker = import_module(f"{AD}.trackers.llm").LLMTracker

    assert callable(getattr(tracker, name))


@pytest.mark.parametrize("module", [f"{AD}.services", AD])
def test_module_can_be_imported_before_the_apps_are_ready(module: str) -> None:
    code = f"import django.conf; django.conf.settings.configure(); import {module}"

    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
