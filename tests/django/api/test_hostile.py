"""Nothing that comes in gives a 500: every case is answered with a status of its own kind, and the field is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.models import LLMConfig, MeteringConfig
from tests.django.api.urls import (
    LLM_CONFIG,
    LLM_CONFIG_ALL,
    LLM_CONFIG_USERS,
    LLM_USAGE,
    METERING_CONFIG,
    TOKEN_STATS,
    USERS,
    config_url,
    user_config_url,
)
from tests.django.factories import make_config, make_usage, make_user

pytestmark = pytest.mark.django_db

BAD_USERS = ["abc", "1.5", "0x10", "-", "1\x00", "\x00", "1;drop table x", "1 or 1=1", str(2**63), "-" + "9" * 30, "9" * 5000, "null", "[1]", "\u0661\u0661x", "\ufffd"]  # fmt: skip
BAD_DATES = ["yesterday", "2026-13-01", "2026-02-30", "2026-02-21T25:00", "2026-02-21T00:00:00+99:00", "0000-01-01", "-1", "\x00", "2026-02-21\x00", "9" * 5000, "1e400", "2026-02-21'--", "infinity", "\u0662\u0660\u0662\u0666-01-01", "0001-01-01T00:00:00+14:00"]  # fmt: skip
BAD_ENDS = [*BAD_DATES, "9999-12-31", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00"]
BAD_GRANULARITIES = ["hour", "DAY", "week", "day,month", "\x00", "9" * 5000, "1", "created_at", "day'--"]


def _bad(url: str, name: str, values: list[str], **others: str) -> list[tuple[str, dict[str, str], str]]:
    return [(url, {**others, name: value}, name) for value in values]


REFUSED = [
    *[case for url in (TOKEN_STATS, LLM_USAGE) for case in _bad(url, "user_id", BAD_USERS)],
    *[case for url in (TOKEN_STATS, LLM_USAGE) for case in _bad(url, "start_date", BAD_DATES)],
    *[case for url in (TOKEN_STATS, LLM_USAGE) for case in _bad(url, "end_date", BAD_ENDS)],
    *_bad(TOKEN_STATS, "granularity", [text for text in BAD_GRANULARITIES if text != "\x00"]),
    *_bad(LLM_USAGE, "model", ["\x00", "gpt\x00", "9" * 10_001, "%" * 60_000]),
    *_bad(LLM_CONFIG_USERS, "user_id", BAD_USERS),
    *_bad(LLM_CONFIG_ALL, "user_id", BAD_USERS, scope="user"),
    *_bad(LLM_CONFIG, "model_type", ["x", "LLM", "\x00", "9" * 5000]),
    *_bad(LLM_CONFIG_ALL, "model_type", ["x", "\x00"]),
    (TOKEN_STATS, {"start_date": "2026-02-02", "end_date": "2026-02-01"}, "end_date"),
    (LLM_USAGE, {"start_date": "2026-02-02", "end_date": "2026-02-01"}, "end_date"),
    (TOKEN_STATS, {"start_date": "0001-01-01", "end_date": "9999-12-30", "granularity": "day"}, "granularity"),
    (TOKEN_STATS, {"start_date": "0001-01-01", "end_date": "9999-12-30", "granularity": "month"}, "granularity"),
    (TOKEN_STATS, {"start_date": "0001-01-01", "end_date": "9999-12-30", "granularity": "year"}, "granularity"),
    (TOKEN_STATS, {"granularity": "\x00"}, "granularity"),
]

ANSWERED = [
    (TOKEN_STATS, {"start_date": "0001-01-01", "end_date": "9999-12-30"}),
    (TOKEN_STATS, {"start_date": "0001-01-01T00:00:00Z", "end_date": "0001-01-01T00:00:00Z", "granularity": "day"}),
    (TOKEN_STATS, {"start_date": "9999-12-30", "end_date": "9999-12-30", "granularity": "month", "use_series": "1"}),
    (TOKEN_STATS, {"start_date": "1900-01-01", "end_date": "2050-12-31", "granularity": "year", "use_series": "yes"}),
    (TOKEN_STATS, {"user_id": str(2**31 - 1)}),
    (TOKEN_STATS, {"user_id": "-1"}),
    (TOKEN_STATS, {"use_series": "\x00", "unknown": "\x00"}),
    (LLM_USAGE, {"user_id": "0"}),
    (LLM_USAGE, {"page": "99999999999999999999"}),
    (LLM_USAGE, {"page": "9" * 5000, "page_size": "9" * 5000}),
    (LLM_USAGE, {"page": "9223372036854775807", "page_size": "100"}),
    (LLM_USAGE, {"page": "\x00", "page_size": "\x00", "success": "\x00"}),
    (LLM_USAGE, {"page": "1e5", "page_size": "0x10"}),
    (LLM_USAGE, {"model": "%_\\'\"--;"}),
    (LLM_USAGE, {"model": "%" * 200}),
    (USERS, {"page": "\x00", "page_size": "-1"}),
    (METERING_CONFIG, {"retention_days": "x"}),
    (LLM_CONFIG_ALL, {"scope": "\x00"}),
    (LLM_CONFIG_ALL, {"scope": "global", "user_id": "abc"}),
    (LLM_CONFIG_USERS, {"user_id": str(2**31 - 1)}),
]


def send(method: Callable[..., Any], url: str, body: Any) -> Any:
    """As a client would that escapes what is not ASCII: lone surrogates pass in that way."""
    return method(url, json.dumps(body), content_type="application/json")


@pytest.fixture(autouse=True)
def _rows(db: None) -> None:
    make_usage(user=make_user())


@pytest.mark.parametrize(("url", "params", "field"), REFUSED)
def test_parameter_that_cannot_be_is_400_and_named(
    api: APIClient, url: str, params: dict[str, str], field: str
) -> None:
    response = api.get(url, params)

    assert response.status_code == 400
    body = response.json()
    if body.keys() == {"detail"}:
        assert (field, body["detail"]) == ("granularity", "Unsupported granularity. Use one of: day, month, year.")
    else:
        assert body.keys() == {field}
        assert isinstance(body[field], list)
    assert len(response.content) < 1000


@pytest.mark.parametrize(("url", "params"), ANSWERED)
def test_parameter_that_is_only_odd_is_answered(api: APIClient, url: str, params: dict[str, str]) -> None:
    assert api.get(url, params).status_code == 200


BODIES: list[Any] = [
    [], [1], "x", 5, 1.5, True, None,
    {"provider": ""}, {"provider": "  "}, {"provider": None}, {"provider": ["openai"]}, {"provider": "p" * 51},
    {"provider": "a\x00b"}, {"provider": "\ud800"},
    {"config": [1]}, {"config": "x"}, {"config": 5}, {"config": None}, {"config": True},
    {"config": {"model": 5}}, {"config": {"model": ["gpt"]}}, {"config": {"model": {"a": 1}}}, {"config": {"api_key": 5}},
    {"config": {"api_key": {"a": "b"}}}, {"config": {"api_base": "nonsense"}}, {"config": {"api_base": "http://[::1"}},
    {"config": {"api_base": "file:///etc/passwd"}}, {"config": {"api_base": 5}}, {"config": {"extra_headers": "x"}},
    {"config": {"name": "a\x00b"}}, {"config": {"a\x00b": "x"}}, {"config": {"name": "\ud800"}}, {"config": {"x": [{"y": "\x00"}]}},
    {"config": {"__secrets__": "enc:v1:00000000:x"}}, {"config": {"unknown": "***"}}, {"config": {"api_key": "***"}},
    {"is_active": "perhaps"}, {"is_active": None}, {"is_active": []}, {"is_active": {}},
    {"is_default": 7}, {"is_default": "maybe"},
    {"model_type": 5}, {"model_type": "x"}, {"model_type": ["llm"]}, {"model_type": None},
]  # fmt: skip

ONLY_FOR_POST: list[Any] = [
    {"scope": 5}, {"scope": "x"}, {"scope": ["user"]}, {"scope": {}}, {"scope": None}, {"scope": "user"},
    *[{"scope": "user", "user_id": pk} for pk in ("abc", "1\x00", 2**63, -(2**70), 1.5, True, [1], {"pk": 1}, "", 4711, None)],
]  # fmt: skip


@pytest.mark.parametrize("body", [*BODIES, *ONLY_FOR_POST], ids=repr)
def test_post_of_a_wrong_body_is_400_and_makes_nothing(api: APIClient, body: Any) -> None:
    response = send(api.post, LLM_CONFIG, body)

    assert response.status_code == 400, response.content
    assert not LLMConfig.objects.exists()


@pytest.mark.parametrize("body", [body for body in BODIES if body != {"config": {"api_key": "***"}}], ids=repr)
def test_put_of_a_wrong_body_is_400_and_changes_nothing(api: APIClient, body: Any) -> None:
    row = make_config(user=make_user("owner"))
    before = LLMConfig.objects.values().get()

    for url in (config_url(row.uuid), config_url(row.pk), user_config_url(row.user_id)):
        assert send(api.put, url, body).status_code == 400

    assert LLMConfig.objects.values().get() == before


@pytest.mark.parametrize(
    "body",
    [
        [], [1], "x", 5, True,
        {"retention_days": "x"}, {"retention_days": 10**30}, {"retention_days": 1.5}, {"retention_days": {}},
        {"cleanup_enabled": "perhaps"}, {"cleanup_enabled": None}, {"cleanup_enabled": []},
        {"cleanup_crontab": 5}, {"cleanup_crontab": None}, {"cleanup_crontab": ["*"] * 5}, {"cleanup_crontab": "* * * *\x00 *"},
        {"aggregation_crontab": "\ud800 * * * *"}, {"aggregation_crontab": "9" * 5000},
    ],
    ids=repr,
)  # fmt: skip
def test_patch_of_a_wrong_body_is_400_and_changes_nothing(api: APIClient, body: Any) -> None:
    assert send(api.patch, METERING_CONFIG, body).status_code == 400
    assert not MeteringConfig.objects.exists()


@pytest.mark.parametrize(
    "text",
    ["{", "[" * 100_000, '{"config":' + '{"a":' * 50_000, '{"config": {"a": NaN}}', '{"config": {"top_p": 1e400}}', "\x00", '{"config": {"x": ' + "9" * 5000 + "}}",
     '{"config": {"vision": ' + "[" * 400 + "]" * 400 + "}}"],
    ids=["cut", "deep list", "deep object", "not a number", "infinite", "null character", "huge number", "nested"],
)  # fmt: skip
def test_body_that_is_no_json_or_too_deep_is_400(api: APIClient, text: str) -> None:
    row = make_config()

    for response in (
        api.post(LLM_CONFIG, text, content_type="application/json"),
        api.put(config_url(row.uuid), text, content_type="application/json"),
        api.patch(METERING_CONFIG, text, content_type="application/json"),
    ):
        assert response.status_code == 400 or response.json().keys() == {
            "retention_days",
            "cleanup_enabled",
            "cleanup_crontab",
            "aggregation_crontab",
        }


def test_form_with_files_in_place_of_values_is_400(api: APIClient) -> None:
    for name in ("config", "provider", "user_id", "scope"):
        body = {"scope": "user", "user_id": "1", name: SimpleUploadedFile("x.json", b"\xff\x00")}

        assert api.post(LLM_CONFIG, body, format="multipart").status_code == 400


def test_body_of_a_type_that_is_not_known_is_415(api: APIClient) -> None:
    assert api.post(LLM_CONFIG, "<config/>", content_type="application/xml").status_code == 415
