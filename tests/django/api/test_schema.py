from __future__ import annotations

from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from agentcore_metering.adapters.django.api.views.base import TAG
from agentcore_metering.adapters.django.exports import FORMATS
from agentcore_metering.adapters.django.stats import FILTER_NAMES


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # it has no types
    return document


def test_schema_is_made_without_a_warning(schema: dict[str, Any]) -> None:
    assert not GENERATOR_STATS, GENERATOR_STATS._warn_cache
    assert schema["paths"]


def test_every_operation_has_the_tag_and_a_summary(schema: dict[str, Any]) -> None:
    operations = [operation for path in schema["paths"].values() for operation in path.values()]

    assert {tuple(operation["tags"]) for operation in operations} == {(TAG,)}
    assert all(operation["summary"] for operation in operations)


def test_every_path_of_the_urls_is_in_the_schema(schema: dict[str, Any]) -> None:
    paths = {path.removeprefix("/api/v1/admin/") for path in schema["paths"]}

    assert paths == {
        "users/",
        "reconcile/",
        "health/",
        "metering-config/",
        "token-stats/",
        "usage-breakdown/",
        "llm-usage/",
        "llm-usage/export/",
        "llm-usage/{usage_id}/",
        "llm-config/",
        "llm-config/all/",
        "llm-config/providers/",
        "llm-config/models/",
        "llm-config/test/",
        "llm-config/test-call/",
        "llm-config/decision-test",
        "llm-config/users/",
        "llm-config/users/{user_id}/",
        "llm-config/{config_ref}/",
        "llm-config/{config_ref}/changes/",
        "/api/v1/user/llm-config/models",
        "/api/v1/user/llm-config/providers",
        "/api/v1/user/llm-config/test",
        "/api/v1/user/llm-config/test-call",
        "/api/v1/user/llm-config/decision-test",
        "/api/v1/user/llm-config/{config_uuid}/fallback",
        "/api/v1/user/llm-config/{config_uuid}/fallback/reset",
        "/api/v1/user/my/stats/",
        "/api/v1/user/my/usage/",
        "llm-config/{config_uuid}/fallback",
        "llm-config/{config_uuid}/fallback/reset",
    }


@pytest.mark.parametrize(
    ("path", "others"),
    [("llm-usage/", {"page", "page_size", "cursor"}), ("llm-usage/export/", {"format", "bom"})],
)
def test_every_filter_of_usage_is_in_the_schema(schema: dict[str, Any], path: str, others: set[str]) -> None:
    parameters = schema["paths"][f"/api/v1/admin/{path}"]["get"]["parameters"]

    assert {parameter["name"] for parameter in parameters} == {*FILTER_NAMES, "metadata.<key>", *others}


def test_list_of_usage_is_a_page_or_a_walk(schema: dict[str, Any]) -> None:
    answer = schema["paths"]["/api/v1/admin/llm-usage/"]["get"]["responses"]["200"]["content"]["application/json"]
    name = answer["schema"]["$ref"].rpartition("/")[2]

    assert schema["components"]["schemas"][name] == {
        "oneOf": [{"$ref": "#/components/schemas/UsagePage"}, {"$ref": "#/components/schemas/UsageWalk"}]
    }


def test_export_is_described_by_its_types(schema: dict[str, Any]) -> None:
    answers = schema["paths"]["/api/v1/admin/llm-usage/export/"]["get"]["responses"]

    assert set(answers["200"]["content"]) == {
        file_format.content_type.partition(";")[0] for file_format in FORMATS.values()
    }
