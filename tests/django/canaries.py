"""Keys that may turn up nowhere, how to find one in any of its written forms, and the places in which to look."""

from __future__ import annotations

import base64
import json
import os
import pickle
import shutil
import subprocess
import traceback
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from urllib.parse import quote, quote_plus

from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter

from agentcore_metering.adapters.django import runtime
from agentcore_metering.adapters.django.models import (
    LLMConfig,
    LLMConfigChange,
    LLMCostChange,
    LLMUsage,
    LLMUsageSeries,
)
from tests.telemetry.recording import RecordedTelemetry

CANARIES = {
    "openai": "sk-proj-Zq7Canary4711TwQmN0pR8sT1uV2wX3yZ4",
    "hex": "9f86d081884c7d659a2feaa0c55ad015",
    "google": "AIzaSyCanary-4711_abcdefghijklmnopqrstu",
    "base64": "q7+canary/4711/abcdefghijklmnopqrstuvwxyzAB==",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLW9mLTQ3MTE",
}
PREFIX = "/api/v1/admin"


def forms_of(canary: str) -> set[str]:
    """The forms in which a text may have the canary: plain, in a URL, in JSON, in base64 with or without what stands before it."""
    encoded = base64.b64encode(canary.encode()).decode()
    return {canary, quote(canary, safe=""), quote_plus(canary), json.dumps(canary)[1:-1], encoded.rstrip("=")[:-2]}


def leaks(sinks: Mapping[str, str | bytes], canary: str) -> list[str]:
    """The names of the sinks with the canary in any form."""
    return [
        name
        for name, content in sinks.items()
        if any(
            form in (content.decode("latin-1") if isinstance(content, bytes) else content) for form in forms_of(canary)
        )
    ]


def error_sinks(error: BaseException | None) -> Iterator[tuple[str, str]]:
    """What a host would show or keep of an exception."""
    if error is None:
        return
    yield "str", str(error)
    yield "repr", repr(error)
    yield "args", repr(error.args)
    yield "attributes", repr(vars(error))
    response = getattr(error, "response", None)
    if response is not None:
        request = getattr(response, "_request", None)
        yield (
            "response",
            f"{response.headers!r} {response.text} {request and request.headers.multi_items()} {request and request.url}",
        )
    yield "traceback", "".join(traceback.format_exception(error))
    with_locals = traceback.TracebackException.from_exception(error, capture_locals=True)
    yield "traceback with locals", "".join(with_locals.format())
    reporter = ExceptionReporter(RequestFactory().get("/"), type(error), error, error.__traceback__)
    yield "debug page", reporter.get_traceback_html()
    yield "debug mail", reporter.get_traceback_text()


def telemetry_sinks(telemetry: RecordedTelemetry) -> Iterator[tuple[str, str]]:
    """What the exporters got."""
    yield "spans", "".join(span.to_json() for span in telemetry.spans)
    yield "metrics", repr(telemetry.metrics())


def database_sinks() -> Iterator[tuple[str, str]]:
    """The tables as SQL and as fixtures see them."""
    for model in (LLMConfig, LLMConfigChange, LLMCostChange, LLMUsage, LLMUsageSeries):
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            yield f"table {table}", repr(cursor.fetchall())
    fixture = StringIO()
    call_command("dumpdata", "agentcore_metering", stdout=fixture)
    yield "dumpdata", fixture.getvalue()


def command_sinks() -> Iterator[tuple[str, str]]:
    """What operators see in a terminal."""
    for arguments in (["metering_secrets", "check"], ["metering_secrets", "rotate"], ["metering_status"], ["check"]):
        stdout, stderr = StringIO(), StringIO()
        try:
            call_command(*arguments, stdout=stdout, stderr=stderr)
        except CommandError as error:
            stderr.write(str(error))
        yield " ".join(arguments), stdout.getvalue() + stderr.getvalue()


def page_sinks() -> Iterator[tuple[str, str]]:
    """The API's answers and the admin's pages, to a superuser."""
    client = Client()
    client.force_login(get_user_model().objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])
    uuids = LLMConfig.objects.values_list("uuid", flat=True)
    configs = [f"llm-config/{uuid}/{rest}" for uuid in uuids for rest in ("", "changes/")]
    for path in (
        "llm-usage/",
        "token-stats/",
        "llm-config/",
        "llm-config/all/",
        "llm-config/users/",
        "health/",
        *configs,
    ):
        yield f"GET {path}", client.get(f"{PREFIX}/{path}").content.decode()
    for model in (LLMConfig, LLMConfigChange, LLMUsage):
        name = f"admin:agentcore_metering_{model._meta.model_name}"
        yield f"{name} list", client.get(reverse(f"{name}_changelist")).content.decode()
        for row in model._default_manager.all()[:2]:
            yield f"{name} {row.pk}", client.get(reverse(f"{name}_change", args=[row.pk])).content.decode()


def object_sinks() -> Iterator[tuple[str, str | bytes]]:
    """What a debugger, a cache or an error tracker would show or keep of our objects."""
    for row in LLMConfig.objects.all():
        yield f"repr of {row.uuid}", repr(row)
        yield f"str of {row.uuid}", str(row)
        yield f"pickle of {row.uuid}", pickle.dumps(row)
    yield "pickle of a queryset", pickle.dumps(LLMConfig.objects.all())
    metering = runtime.get_metering()
    yield "repr of the meter", repr(metering)
    yield "repr of the cache", repr(vars(metering.configs))
    yield "repr of a resolved configuration", _resolved()


def _resolved() -> str:
    try:
        return repr(runtime.get_metering().resolve_config(None, None, strict_user_scope=False))
    except ValueError as error:
        return repr(error)


def file_sinks(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of the journal."""
    for path in sorted(directory.rglob("*")) if directory.exists() else ():
        if path.is_file():
            yield f"file {path.name}", path.read_bytes()


def dump_sinks() -> Iterator[tuple[str, bytes]]:
    """A dump of the database by its own tool, where there is one."""
    if connection.vendor == "postgresql" and shutil.which("pg_dump"):
        settings = connection.settings_dict
        place = ["-h", settings["HOST"], "-p", str(settings["PORT"]), "-U", settings["USER"], settings["NAME"]]
        dump = subprocess.run(
            ["pg_dump", *place],
            env=os.environ | {"PGPASSWORD": settings["PASSWORD"]},
            capture_output=True,
            check=True,
        )
        yield "pg_dump", dump.stdout
    elif connection.vendor == "sqlite" and Path(str(connection.settings_dict["NAME"])).is_file():
        yield "database file", Path(str(connection.settings_dict["NAME"])).read_bytes()
