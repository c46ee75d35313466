"""What is told of secrets: the keys that seal them, and stored configurations whose secrets or addresses cannot be used.

The latter runs with a database only (`check --database default`, `migrate`), and is silent until the tables are migrated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from agentcore_metering.adapters.django.checks.settings import is_usable
from agentcore_metering.adapters.django.conf import is_debug, metering_settings
from agentcore_metering.adapters.django.config.sealing import SecretState, inspect_secrets
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.outbound import SETTING, refusal_of

__all__ = ["check_encryption_keys", "check_stored_configurations"]

SEALED_SINCE = ("agentcore_metering", "0111_seal_plain_secrets")
MAX_NAMED = 5


def check_encryption_keys(**_kwargs: Any) -> list[CheckMessage]:
    """W002 for production without keys of its own."""
    if is_debug() or not is_usable("ENCRYPTION_KEYS") or metering_settings.ENCRYPTION_KEYS:
        return []
    return [
        Warning(
            "AGENTCORE_METERING_ENCRYPTION_KEYS is not set: stored API keys are encrypted with a key derived from SECRET_KEY, and a "
            "new SECRET_KEY makes them unreadable.",
            hint="Set it to a key of 'manage.py metering_secrets generate-key', newest first; rows sealed before stay readable.",
            id="agentcore_metering.W002",
        )
    ]


def check_stored_configurations(databases: Sequence[str] | None, **_kwargs: Any) -> list[CheckMessage]:
    """W110 for secrets in clear, W111 for secrets that do not open, W112 for addresses that calls are refused to."""
    try:
        alias = metering_settings.DATABASE_ALIAS
        if alias not in (databases or ()) or not _is_migrated(alias):
            return []
        return [*_sealing_warnings(alias), *_address_warnings(alias)]
    except ImproperlyConfigured:
        # E002 tells of a setting that cannot be used.
        return []


def _is_migrated(alias: str) -> bool:
    return SEALED_SINCE in MigrationRecorder(connections[alias]).applied_migrations()


def _sealing_warnings(alias: str) -> Iterator[CheckMessage]:
    found: dict[SecretState, list[str]] = {}
    for finding in inspect_secrets(LLMConfig, alias):
        found.setdefault(finding.state, []).append(finding.uuid)
    if plain := found.get(SecretState.PLAIN):
        yield Warning(
            f"{len(plain)} configurations have secrets that are stored in clear: {_named(plain)}.",
            hint="Run 'manage.py metering_secrets encrypt' as soon as no process of an older release runs.",
            id="agentcore_metering.W110",
        )
    if unreadable := found.get(SecretState.UNREADABLE):
        yield Warning(
            f"{len(unreadable)} configurations have secrets that cannot be opened: {_named(unreadable)}.",
            hint="Give their key back in AGENTCORE_METERING_ENCRYPTION_KEYS, or enter the secrets again; "
            "'manage.py metering_secrets check' tells why.",
            id="agentcore_metering.W111",
        )


def _address_warnings(alias: str) -> Iterator[CheckMessage]:
    rows = LLMConfig.objects.using(alias).filter(is_active=True).only("uuid", "config").order_by("pk")
    refused = [
        str(row.uuid)
        for row in rows.iterator()
        if isinstance(row.config, dict) and refusal_of(dict(row.config)) is not None
    ]
    if refused:
        yield Warning(
            f"{len(refused)} active configurations lead to hosts that calls are refused to: {_named(refused)}.",
            hint=f"List the hosts or their networks in {SETTING}, or correct the addresses. Names of DNS are judged when they are called.",
            id="agentcore_metering.W112",
        )


def _named(uuids: list[str]) -> str:
    more = len(uuids) - MAX_NAMED
    return ", ".join(uuids[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
