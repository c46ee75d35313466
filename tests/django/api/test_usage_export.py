from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.test import AsyncClient, Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.exports import reading
from tests.django.api.urls import LLM_USAGE_EXPORT
from tests.django.factories import make_usage

pytestmark = pytest.mark.django_db


def content(response: Any) -> str:
    assert response.status_code == 200
    assert response.streaming
    return b"".join(response.streaming_content).decode()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("params", "content_type", "extension"),
    [
        ({}, "text/csv; charset=utf-8", ".csv"),
        ({"format": "csv"}, "text/csv; charset=utf-8", ".csv"),
        ({"format": "jsonl"}, "application/x-ndjson", ".jsonl"),
        ({"format": "focus"}, "text/csv; charset=utf-8", ".focus.csv"),
    ],
)
def test_export_is_a_file_of_the_format(
    api: APIClient, params: dict[str, str], content_type: str, extension: str
) -> None:
    row = make_usage(cost="1")

    response = api.get(LLM_USAGE_EXPORT, params)

    assert str(row.id) in content(response)
    assert response.headers["Content-Type"] == content_type
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith('attachment; filename="llm-usage-2')
    assert disposition.endswith(f'Z{extension}"')
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("accept", ["text/csv", "application/x-ndjson", "*/*", "image/png", "nonsense"])
def test_export_is_sent_whatever_is_accepted(api: APIClient, accept: str) -> None:
    assert rows(content(api.get(LLM_USAGE_EXPORT, HTTP_ACCEPT=accept))) == []


def test_export_keeps_to_the_filters(api: APIClient) -> None:
    make_usage(node_name="this", metadata={"job": 7})
    make_usage(node_name="this")
    make_usage(node_name="other", metadata={"job": 7})

    assert len(rows(content(api.get(LLM_USAGE_EXPORT, {"node": "this", "metadata.job": "7"})))) == 1


def test_export_with_a_byte_order_mark(api: APIClient) -> None:
    assert content(api.get(LLM_USAGE_EXPORT, {"bom": "true"})).startswith("\ufeff")
    assert content(api.get(LLM_USAGE_EXPORT, {"bom": "true", "format": "jsonl"})) == ""


@pytest.mark.parametrize(
    ("params", "field"),
    [({"format": "xlsx"}, "format"), ({"format": "json"}, "format"), ({"nod": "this"}, "parameters"), ({"page": "2"}, "parameters"), ({"status": "x"}, "status")],
)  # fmt: skip
def test_export_that_cannot_be_is_400_and_named(api: APIClient, params: dict[str, str], field: str) -> None:
    response = api.get(LLM_USAGE_EXPORT, params)

    assert (response.status_code, list(response.json())) == (400, [field])


def test_export_in_batches_takes_a_query_for_each_and_one_more(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _read_in_batches_of(2, monkeypatch)
    for _ in range(5):
        make_usage()

    with django_assert_num_queries(4):  # the newest row; 2, 2 and 1 rows
        assert len(rows(content(api.get(LLM_USAGE_EXPORT)))) == 5


def test_export_of_a_client_who_goes_away_reads_no_further(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _read_in_batches_of(2, monkeypatch)
    for _ in range(20):
        make_usage()

    with django_assert_num_queries(3):  # the newest row; the first batch before the headers, and one more
        response = api.get(LLM_USAGE_EXPORT)
        chunks = iter(response.streaming_content)  # type: ignore[attr-defined]  # a streamed response has it
        for _ in range(3):
            next(chunks)
        response.close()


@pytest.mark.django_db(transaction=True)
def test_export_over_asgi_is_the_same_file(admin: Any) -> None:
    make_usage(metadata={"text": "\u4e2d\u6587"})
    client, async_client = Client(), AsyncClient()
    client.force_login(admin)
    async_client.cookies = client.cookies

    async def over_asgi() -> bytes:
        response = await async_client.get(LLM_USAGE_EXPORT, {"format": "jsonl"})
        assert response.is_async  # type: ignore[attr-defined]  # a streamed response has it
        try:
            return b"".join([chunk async for chunk in response.streaming_content])  # type: ignore[attr-defined]
        finally:
            await sync_to_async(connections.close_all)()  # those of the thread that views run in

    sent = asyncio.run(over_asgi()).decode()

    assert json.loads(sent)["metadata"] == {"text": "\u4e2d\u6587"}
    assert sent == content(client.get(LLM_USAGE_EXPORT, {"format": "jsonl"}))


@pytest.mark.django_db(transaction=True)
def test_export_over_asgi_ends_with_its_client(admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _read_in_batches_of(1, monkeypatch)
    for _ in range(50):
        make_usage()
    client = Client()
    client.force_login(admin)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": LLM_USAGE_EXPORT,
        "query_string": b"",
        "headers": [(b"host", b"testserver"), (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())],
    }

    async def go_away_after_three_chunks() -> None:
        application: Any = ApplicationCommunicator(ASGIHandler(), scope)  # type: ignore[no-untyped-call]  # it has no types
        await application.send_input({"type": "http.request", "body": b""})
        start = await application.receive_output(20)
        assert start["status"] == 200
        for _ in range(3):
            await application.receive_output(20)
        await application.send_input({"type": "http.disconnect"})
        await application.wait(20)

    asyncio.run(go_away_after_three_chunks())

    assert 2 <= len(made) < 10


def _read_in_batches_of(size: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From now on; the list grows by the rows of each batch that is read."""
    made: list[int] = []
    read = reading._read

    def counted(*args: Any) -> Any:
        batch = read(*args[:2], size)
        made.append(len(batch))
        return batch

    monkeypatch.setattr(reading, "BATCH_ROWS", size)
    monkeypatch.setattr(reading, "_read", counted)
    return made
