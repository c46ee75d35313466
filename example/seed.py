"""What the example host needs to be called: users, a price and configurations that lead to the stub provider. `python -m example.seed`.

May be run again: what is there stays as it is. The configurations' ids are always the same, so that the traffic can name them.
"""

from __future__ import annotations

import argparse
import os
import uuid
from decimal import Decimal
from typing import Any

NAMESPACE = uuid.UUID("6f1d9a52-2f0e-4c59-9d0a-5d2b8f2f7a10")
CNY_MODEL = "qwen-plus"
# Shaped unlike any provider's key, so that only metering's own masking can hide it.
STUB_KEY = "demo-key-of-nobody-0815"


def config_id(name: str) -> uuid.UUID:
    """The id of the configuration that the traffic calls `name`."""
    return uuid.uuid5(NAMESPACE, name)


def seed(stub_url: str, password: str) -> None:
    """Make what is missing in the database of Django's settings."""
    users = _make_users(password)
    _make_price()
    openai = {"api_key": STUB_KEY, "api_base": f"{stub_url}/v1"}
    _make_config("default", "openai", {"model": "gpt-4o-mini", **openai}, is_default=True)
    _make_config("cny", "openai_compatible", {"model": CNY_MODEL, **openai})
    _make_config("unpriced", "openai_compatible", {"model": "house-model", **openai})
    claude = {"model": "claude-haiku-4-5", "api_key": STUB_KEY, "api_base": stub_url}
    _make_config("alice", "anthropic", claude, user=users["alice"])


def _make_users(password: str) -> dict[str, Any]:
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    made: dict[str, Any] = {}
    for name, is_admin in (("admin", True), ("alice", False), ("bob", False)):
        made[name], is_new = users.get_or_create(
            username=name, defaults={"is_staff": is_admin, "is_superuser": is_admin}
        )
        if is_new:
            made[name].set_password(password)
            made[name].save()
    return made


def _make_price() -> None:
    from agentcore_metering.adapters.django.models import LLMPrice

    LLMPrice.objects.get_or_create(
        provider="openai_compatible",
        model_pattern=CNY_MODEL,
        valid_from=None,
        defaults={
            "currency": "CNY",
            "input_per_1m": Decimal("0.8"),
            "output_per_1m": Decimal(2),
            "source": "the operator's contract",
        },
    )


def _make_config(
    name: str, provider: str, config: dict[str, str], *, user: object = None, is_default: bool = False
) -> None:
    from agentcore_metering.adapters.django.models import LLMConfig

    fields = {"provider": provider, "config": config, "user": user, "is_default": is_default}
    scope = LLMConfig.Scope.USER if user else LLMConfig.Scope.GLOBAL
    LLMConfig.objects.get_or_create(uuid=config_id(name), defaults={"scope": scope, **fields})


def main() -> None:
    """Seed the database of the example host."""
    parser = argparse.ArgumentParser(prog="python -m example.seed", description=__doc__)
    parser.add_argument("--stub-url", default="http://127.0.0.1:9100", help="where the stub provider listens")
    parser.add_argument(
        "--password", default=os.environ.get("EXAMPLE_PASSWORD", "demo"), help="of the users admin, alice and bob"
    )
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.host.settings")
    import django

    django.setup()
    seed(options.stub_url, options.password)
    for name in ("cny", "unpriced"):
        print(f"--config {name}={config_id(name)}")


if __name__ == "__main__":
    main()
