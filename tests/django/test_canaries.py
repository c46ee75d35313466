"""A key of each of five formats, through every way a call can end: it is found in none of thousands of places.

What reaches the provider is the one place where it must be, and is looked at to know that the rest was worth looking at.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import override_settings

from agentcore_metering.adapters.django import LLMTracker, runtime
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.persistence import journal
from example.stub_provider import StubProvider, directive
from tests.core.listener import listening
from tests.django import canaries
from tests.django.canaries import CANARIES, leaks
from tests.django.persistence.spools import Spool
from tests.telemetry.recording import RecordedTelemetry

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
LEAST_SINKS = 50

Ending = Callable[[StubProvider, LLMConfig], BaseException | None]


def ask(row: LLMConfig, text: str = "hello", **options: Any) -> BaseException | None:
    """The call's exception, or None."""
    try:
        answer = LLMTracker.call_and_track([{"role": "user", "content": text}], model_uuid=row.uuid, **options)
        if options.get("stream"):
            list(answer)
    except Exception as error:  # noqa: BLE001 - whatever a host would catch
        return error
    return None


def with_directive(options: dict[str, Any] | None = None, **keys: Any) -> Ending:
    return lambda _stub, row: ask(row, directive(**keys), **(options or {}))


def refused_connection(_stub: StubProvider, row: LLMConfig) -> BaseException | None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    change(row, api_base=f"http://127.0.0.1:{port}/v1")
    return ask(row)


def timeout(_stub: StubProvider, row: LLMConfig) -> BaseException | None:
    change(row, request_timeout_seconds=1)
    return ask(row, directive(delay_s=5))


def key_in_an_answer_of_no_format(_stub: StubProvider, row: LLMConfig) -> BaseException | None:
    key = row.config["api_key"]
    body = f'<html>no such key: "{key}"</html>'.encode()
    with listening(lambda _path: (502, {"Content-Type": "text/html", "X-Echo": key}, body)) as listener:
        change(row, api_base=listener.base)
        return ask(row)


def redirect_with_the_key(_stub: StubProvider, row: LLMConfig) -> BaseException | None:
    location = {"Location": f"https://evil.example.net/?key={row.config['api_key']}"}
    with listening(lambda _path: (307, location, b"")) as listener:
        change(row, api_base=listener.base)
        return ask(row)


def refused_host(_stub: StubProvider, row: LLMConfig) -> BaseException | None:
    change(row, api_base="http://10.255.255.1/v1")
    return ask(row)


def lost_key(_stub: StubProvider, row: LLMConfig) -> BaseException | None:
    with override_settings(SECRET_KEY="quite another one, and long enough"):
        return ask(row)


def broken_database(_stub: StubProvider, row: LLMConfig) -> BaseException | None:
    def fail(*_args: Any, **_kwargs: Any) -> Any:
        raise OperationalError("the database is away")

    with patch.object(journal, "insert_rows", fail):
        error = ask(row)
        assert not runtime.flush(0.05)
    return error


def change(row: LLMConfig, **changes: Any) -> None:
    row.config = {**row.config, **changes}
    row.save()


STREAM = {"stream": True}

ENDINGS: dict[str, tuple[Ending, bool]] = {
    "success": (with_directive(out=3), True),
    "stream": (with_directive(STREAM, out=3), True),
    "401 that repeats the key": (with_directive(status=401, echo_key=1), False),
    "500 that repeats the key": (with_directive(status=500, echo_key=1), False),
    "429 that repeats the key": (with_directive(status=429, echo_key=1), False),
    "stream that is refused": (with_directive(STREAM, status=401, echo_key=1), False),
    "timeout": (timeout, False),
    "broken stream": (with_directive(STREAM, chunks=4, break_after=2), False),
    "broken answer": (with_directive(refuse=1), False),
    "empty answer": (with_directive(empty=1), False),
    "refused connection": (refused_connection, False),
    "gateway that repeats the key in HTML": (key_in_an_answer_of_no_format, False),
    "redirect that repeats the key": (redirect_with_the_key, False),
    "refused host": (refused_host, False),
    "lost encryption key": (lost_key, False),
    "broken database": (broken_database, True),
    "friendly error": (with_directive({"friendly_errors": True}, status=401, echo_key=1), False),
}


@pytest.fixture
def rows(stub: StubProvider) -> dict[str, LLMConfig]:
    """A configuration for each format of key."""
    return {
        form: LLMConfig.objects.create(
            scope="global",
            provider="openai",
            config={
                "model": "gpt-4o-mini",
                "api_key": canary,
                "api_base": stub.api_base(),
                "num_retries": 0,
                "extra_headers": {"X-Gateway-Token": f"header-{canary}"},
            },
        )
        for form, canary in CANARIES.items()
    }


@pytest.mark.parametrize("ending", ENDINGS)
def test_key_is_nowhere(  # noqa: PLR0913 - fixtures
    ending: str,
    rows: dict[str, LLMConfig],
    stub: StubProvider,
    spool: Spool,
    telemetry: RecordedTelemetry,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # Below INFO, HTTP libraries print the headers that they send: what a process with debug logs shows is tested apart.
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "agentcore_metering")
    end, is_success = ENDINGS[ending]

    errors = {form: end(stub, row) for form, row in rows.items()}
    segments = dict(canaries.file_sinks(spool.directory))
    runtime.flush()

    assert {form: error is None for form, error in errors.items()} == dict.fromkeys(CANARIES, is_success), errors
    received = {request.headers.get("authorization") for request in stub.requests}
    assert received == {f"Bearer {canary}" for canary in CANARIES.values()} or not received
    sinks: dict[str, str | bytes] = {
        **{f"{name} before the drain": content for name, content in segments.items()},
        **{f"{form}: {name}": text for form, error in errors.items() for name, text in canaries.error_sinks(error)},
        **dict(canaries.telemetry_sinks(telemetry)),
        **dict(canaries.database_sinks()),
        **dict(canaries.command_sinks()),
        **dict(canaries.page_sinks()),
        **dict(canaries.object_sinks()),
        **dict(canaries.file_sinks(spool.directory)),
        **dict(canaries.dump_sinks()),
        "logs": "".join(f"{record.getMessage()} {record.exc_text} {vars(record)!r}" for record in caplog.records),
        "stdout and stderr": "".join(capfd.readouterr()),
    }
    assert len(sinks) >= LEAST_SINKS
    assert {form: leaks(sinks, canary) for form, canary in CANARIES.items()} == {form: [] for form in CANARIES}


def test_places_and_cases_are_enough() -> None:
    assert LEAST_SINKS * len(ENDINGS) * len(CANARIES) >= 100


@pytest.mark.parametrize("form", CANARIES)
def test_key_is_found_where_it_is(form: str) -> None:
    canary = CANARIES[form]
    sinks = {
        "plain": f"x{canary}y",
        "bytes": canary.encode(),
        "pickle": pickle.dumps({"api_key": canary}),
        **{f"form {number}": f"<{text}>" for number, text in enumerate(sorted(canaries.forms_of(canary)))},
    }

    assert leaks({**sinks, "nothing": "sk-***"}, canary) == list(sinks)


def test_pickled_row_is_whole_again(db: None) -> None:
    row = LLMConfig.objects.create(scope="global", provider="openai", config={"model": "m", "api_key": "k-1"})

    again = pickle.loads(pickle.dumps(row))

    assert again.config == {"model": "m", "api_key": "k-1"}
    again.save()
    assert LLMConfig.objects.get().config == row.config


def test_pickled_row_without_its_configuration_stays_so(db: None) -> None:
    LLMConfig.objects.create(scope="global", provider="openai", config={"model": "m", "api_key": "k-1"})

    again = pickle.loads(pickle.dumps(LLMConfig.objects.defer("config").get()))

    assert "config" in again.get_deferred_fields()
    assert again.config["api_key"] == "k-1"


@pytest.fixture(scope="module")
def debug_output(_running_stub: StubProvider) -> dict[str, str]:
    """What a process with `LITELLM_LOG=DEBUG` says while it makes calls with each key, that succeed and fail."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.django.debug_process", _running_stub.api_base(), *CANARIES.values()],
        cwd=ROOT,
        env=os.environ | {"LITELLM_LOG": "DEBUG", "DATABASE_URL": "sqlite://"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    assert "DEBUG" in process.stderr
    return {"stdout": process.stdout, "stderr": process.stderr}


@pytest.mark.parametrize("form", CANARIES)
def test_process_with_litellms_debug_log(form: str, debug_output: dict[str, str]) -> None:
    assert leaks(debug_output, CANARIES[form]) == []
