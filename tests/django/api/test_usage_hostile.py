"""The parameters of the list, its cursors and the export, from clients who mean no good: 400 with the field named, or an answer."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.django.api.urls import LLM_USAGE, LLM_USAGE_EXPORT
from tests.django.factories import make_usage, make_user

pytestmark = pytest.mark.django_db

LONG = "9" * 100_000
TEXTS = ["node", "provider", "operation", "response_model", "source_type", "error_type"]

REFUSED: list[tuple[str, str, str]] = [
    *[(name, value, name) for name in TEXTS for value in ("\x00", "a\x00b", LONG)],
    *[("model", value, "model") for value in ("\x00", LONG)],
    *[("status", value, "status") for value in ("\x00", "done", "SUCCEEDED", "succeeded,failed", "[]", LONG)],
    *[("priced", value, "priced") for value in ("\x00", "1", "null", LONG)],
    *[(name, value, name) for name in ("call_id", "config") for value in ("\x00", "7", "x" * 32, "{}", "' OR 1=1", LONG)],
    *[("trace_id", value, "trace_id") for value in ("\x00", "g" * 32, "a" * 31, "a" * 33, "\u0661" * 32, LONG)],
    *[("currency", value, "currency") for value in ("\x00", "x" * 11, LONG)],
    *[("cost_min&currency=USD", value, "cost_min") for value in ("\x00", "x", "nan", "-inf", "1e400", "1e-", "0x1", "1,5", "1_000_000_000_000", "9" * 64, LONG)],
    *[("cost_max&currency=USD", value, "cost_max") for value in ("1000000000000", "sNaN", "--1")],
    ("cost_min", "1", "currency"),
    *[("metadata.job", value, "metadata") for value in ("\x00", LONG)],
    *[(f"metadata.{key}", "x", "metadata") for key in ("", "a'", 'a"', "a\\", "a;b", "a%b", "a\x00", "\u4e2d", "$[0]", "a)b", "k" * 101, LONG, "." * 5000 + "'")],
    *[("cursor", value, "cursor") for value in ("x", "\x00", "A" * 52, "=" * 52, "\ufffd" * 52, "[1]", LONG)],
    *[("start_date", value, "start_date") for value in ("\x00", "10000-01-01", "2026-02-30", LONG)],
    *[("end_date", value, "end_date") for value in ("9999-12-31", "x", LONG)],
    *[("user_id", value, "user_id") for value in ("\x00", "abc", LONG)],
]  # fmt: skip

ANSWERED: list[tuple[str, str]] = [
    *[(name, value) for name in TEXTS for value in ("%", "_", "' OR 1=1 --", "\ufffd", "\U0001f600", "null")],
    ("model", "\\"),
    ("success", "\x00"),
    ("success", LONG),
    ("cursor", ""),
    ("metadata.job", "{}"),
    ("metadata.a.b.c", "x"),
    ("metadata.a__b", "x"),
    ("metadata.0", "x"),
    ("metadata.-1", "x"),
    ("metadata.9999999999999999999999", "x"),
    ("metadata.@type", "' || (select 1) || '"),
    ("metadata.metadata.metadata", "x"),
    ("cost_min&currency=usd", "-1"),
    ("cost_max&currency=usd", "1e-30"),
    ("start_date", "9999-12-30"),
    ("start_date", "0001-01-01"),
    ("currency", "\u20ac"),
]


@pytest.fixture(autouse=True)
def _rows(db: None) -> None:
    make_usage(user=make_user(), cost="1", metadata={"job": 7, "list": [1], "deep": {"a": {"b": 1}}})
    make_usage(metadata=["no", "object"])
    make_usage(metadata="text")


def send(api: APIClient, url: str, name: str, value: str) -> Any:
    """`name` may bring a second parameter with it."""
    name, _sign, other = name.partition("&")
    params = {name: value}
    if other:
        params |= dict([other.split("=")])
    return api.get(url, params)


@pytest.mark.parametrize(
    ("name", "value", "field"), REFUSED, ids=lambda text: text[:20].encode("unicode_escape").decode()
)
def test_value_that_cannot_be_is_400_and_named(api: APIClient, name: str, value: str, field: str) -> None:
    for url in (LLM_USAGE, LLM_USAGE_EXPORT):
        response = send(api, url, name, value)

        assert response.status_code == 400
        body = response.json()
        expected = "parameters" if (name, url) == ("cursor", LLM_USAGE_EXPORT) else field
        assert list(body) == [expected]
        assert isinstance(body[expected], list)
        assert len(response.content) < 1000


@pytest.mark.parametrize(("name", "value"), ANSWERED, ids=lambda text: text[:20].encode("unicode_escape").decode())
def test_value_that_is_only_odd_is_answered(api: APIClient, name: str, value: str) -> None:
    assert send(api, LLM_USAGE, name, value).status_code == 200
    if name != "cursor":
        response = send(api, LLM_USAGE_EXPORT, name, value)
        assert response.status_code == 200
        assert b"".join(response.streaming_content)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("node=%00", "node"),
        ("%00=1", "parameters"),
        ("a.b.c=1", "parameters"),
        ("." * 5000 + "=1", "parameters"),
        ("metadata=x", "parameters"),
        ("metadata[job]=x", "parameters"),
        ("format=%00", "format"),
        ("format=" + "9" * 100_000, "format"),
        ("format=csv&format=xml", "format"),
        ("bom=" + "9" * 100_000 + "&x=1", "parameters"),
        ("&".join(f"metadata.k{number}=1" for number in range(900)), "metadata"),
    ],
    ids=lambda text: text[:20],
)
def test_query_string_of_the_export_that_cannot_be_is_400(api: APIClient, query: str, field: str) -> None:
    response = api.get(f"{LLM_USAGE_EXPORT}?{query}")

    assert (response.status_code, list(response.json())) == (400, [field])
    assert len(response.content) < 1000


@pytest.mark.parametrize(
    "query", ["node=%ff%fe", "node=%ED%A0%80", "%ff=1", "metadata=x", "a[b][c]=1", "=", "&&&", "node", "=x&page"]
)
def test_query_string_of_the_list_that_is_only_odd_is_answered(api: APIClient, query: str) -> None:
    assert api.get(f"{LLM_USAGE}?{query}").status_code == 200
