"""The stage of the demonstration: a fresh database, the example host on a real socket, its users, configurations and prices."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from example.stub_provider import StubProvider
from example.traffic import Host

ADMIN = "admin"
PASSWORD = "demo"
API = "/api/v1/admin"
# Shaped unlike any provider's key, so that only metering's own masking can hide it.
DEMO_KEY = "demo-key-of-nobody-0815"

CNY_MODEL = "qwen-plus"
UNPRICED_MODEL = "house-model"


@dataclass(frozen=True, slots=True)
class Stage:
    """What the demonstration plays on."""

    host: Host
    base_url: str
    configs: dict[str, str]
    """Configuration uuids by the names that the traffic uses."""


def prepare(data_dir: Path) -> None:
    """Empty `data_dir`, set Django up on it and migrate."""
    shutil.rmtree(data_dir, ignore_errors=True)
    data_dir.mkdir(parents=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "example.host.settings"
    os.environ["EXAMPLE_DATA_DIR"] = str(data_dir)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


@contextmanager
def set_up() -> Iterator[Stage]:
    """The host and the stub provider, running until the block is left."""
    _make_users()
    _make_prices()
    with StubProvider() as stub, _serving_host() as base_url:
        host = Host(base_url, dict.fromkeys((ADMIN, "alice", "bob"), PASSWORD))
        yield Stage(host, base_url, _make_configs(host, stub))


def _make_users() -> None:
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    users.create_superuser(ADMIN, password=PASSWORD)
    for name in ("alice", "bob"):
        users.create_user(name, password=PASSWORD)


def _make_prices() -> None:
    """What an operator enters for a model that LiteLLM's price map cannot know, in its own currency."""
    from agentcore_metering.adapters.django.models import LLMPrice

    LLMPrice.objects.create(
        provider="openai_compatible",
        model_pattern=CNY_MODEL,
        currency="CNY",
        input_per_1m=Decimal("0.8"),
        output_per_1m=Decimal(2),
        valid_from=None,
        source="the operator's contract",
    )


def _make_configs(host: Host, stub: StubProvider) -> dict[str, str]:
    """One configuration for everybody, one of alice's own, and two that requests name: all through the REST API."""
    from django.contrib.auth import get_user_model

    alice = get_user_model().objects.get(username="alice").pk
    openai = {"api_key": DEMO_KEY, "api_base": stub.api_base("openai")}
    claude = {"model": "claude-haiku-4-5", "api_key": DEMO_KEY, "api_base": stub.api_base("anthropic")}
    _send(
        host,
        "POST",
        "/llm-config/",
        {"provider": "openai", "config": {"model": "gpt-4o-mini", **openai}, "is_default": True},
    )
    _send(host, "PUT", f"/llm-config/users/{alice}/", {"provider": "anthropic", "config": claude})
    gateways = {
        name: _send(
            host, "POST", "/llm-config/", {"provider": "openai_compatible", "config": {"model": model, **openai}}
        )
        for name, model in (("cny", CNY_MODEL), ("unpriced", UNPRICED_MODEL))
    }
    return {name: created["uuid"] for name, created in gateways.items()}


def _send(host: Host, method: str, path: str, body: Any) -> Any:
    status, answer = host.request(method, API + path, ADMIN, body)
    if status not in (200, 201):
        raise RuntimeError(f"{method} {path} was answered with {status}: {answer}")
    return answer


@contextmanager
def _serving_host() -> Iterator[str]:
    """The example host behind Django's own threaded server, on a free port of 127.0.0.1; gives its address."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    class QuietHandler(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the progress bar has the screen."""

    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler, connections_override=None)
    server.daemon_threads = True
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
