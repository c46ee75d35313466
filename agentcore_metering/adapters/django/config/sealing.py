"""Sealed secrets of many rows: in which state they are, sealing plain ones, and sealing anew under the newest key.

Works on any class of the configuration's table, so that a migration can use it with the one of its time. Each batch is a transaction of
its own and every row says itself whether it is done, so that work that was stopped goes on where it ended.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import connections, models, transaction
from django.db.models.functions import Cast

from agentcore_metering.adapters.django.fields import (
    SEALED_KEY,
    EncryptedConfigField,
    UnreadableConfig,
    open_for,
    stored_form,
)
from agentcore_metering.adapters.django.secretbox import current_key_id, has_secret, key_id_of, split_secrets
from agentcore_metering.core.errors import SecretUnavailable

__all__ = [
    "BATCH_SIZE",
    "TO_ENCRYPT",
    "TO_ROTATE",
    "Finding",
    "SealingReport",
    "SecretState",
    "inspect_secrets",
    "seal_rows",
]

BATCH_SIZE = 500


class SecretState(StrEnum):
    """How the secrets of a row are stored."""

    NONE = "none"
    """It has none."""
    PLAIN = "plain"
    """In clear, as releases before this one wrote them, all or some."""
    CURRENT = "current"
    """Sealed under the newest key."""
    OLDER_KEY = "older_key"
    """Sealed under another key that is at hand."""
    UNREADABLE = "unreadable"
    """Sealed, and not to be opened: the key is not at hand, the text is damaged, or it was sealed for another row."""


TO_ENCRYPT = frozenset({SecretState.PLAIN})
TO_ROTATE = frozenset({SecretState.OLDER_KEY})


@dataclass(frozen=True, slots=True)
class Finding:
    """One row and what was found in it."""

    pk: Any
    uuid: str
    state: SecretState
    key_id: str | None = None
    """Of the key that it is sealed under; None where it is not sealed."""
    reason: str = ""
    """Why it cannot be opened; without any part of a secret or a key."""


@dataclass(slots=True)
class SealingReport:
    """What became of the rows that were looked at."""

    seen: int = 0
    sealed: int = 0
    """Rows that were, or in a dry run would be, sealed anew."""
    states: Counter[SecretState] = field(default_factory=Counter)
    """As they were found."""
    unreadable: list[Finding] = field(default_factory=list)


def inspect_secrets(model: type[models.Model], using: str, batch_size: int = BATCH_SIZE) -> Iterator[Finding]:
    """Each row of `model`, by primary key. Nothing is changed."""
    for batch in _batches(model, using, batch_size):
        for row in batch:
            yield _finding(row)


def seal_rows(
    model: type[models.Model],
    using: str,
    states: frozenset[SecretState],
    *,
    batch_size: int = BATCH_SIZE,
    is_dry_run: bool = False,
    tell: Callable[[SealingReport], None] | None = None,
) -> SealingReport:
    """Seal the secrets of the rows in one of `states` under the newest key; `tell` is told after each batch.

    A row that cannot be opened stays as it is and is in the report.
    """
    report = SealingReport()
    for batch in _batches(model, using, batch_size):
        with transaction.atomic(using=using):
            rows = batch if is_dry_run else _locked(model, using, [row.pk for row in batch])
            for row in rows:
                _treat(row, model, using, states, report, is_dry_run=is_dry_run)
        if tell is not None:
            tell(report)
    return report


def _treat(
    row: Any,
    model: type[models.Model],
    using: str,
    states: frozenset[SecretState],
    report: SealingReport,
    *,
    is_dry_run: bool,
) -> None:
    found = _finding(row)
    report.seen += 1
    report.states[found.state] += 1
    if found.state is SecretState.UNREADABLE:
        report.unreadable.append(found)
    if found.state not in states:
        return
    report.sealed += 1
    if not is_dry_run:
        # The plain manager: sealing changes nothing that the trail of configurations is about, and a cached copy stays right.
        rows: models.QuerySet[Any] = models.QuerySet(model, using=using).filter(pk=row.pk)
        rows.update(config=stored_form(_opened(row), row))


def _batches(model: type[models.Model], using: str, batch_size: int) -> Iterator[list[Any]]:
    last: Any = None
    while batch := list(_rows(model, using, last)[:batch_size]):
        yield batch
        last = batch[-1].pk


def _rows(model: type[models.Model], using: str, after: Any = None) -> models.QuerySet[Any]:
    # As text, since the field would open it: what stands in clear beside sealed secrets shows in the stored form alone.
    rows: models.QuerySet[Any] = models.QuerySet(model, using=using).annotate(
        stored_text=Cast("config", models.TextField())
    )
    rows = rows.only("pk", "uuid", "scope", "user").order_by("pk")
    return rows if after is None else rows.filter(pk__gt=after)


def _locked(model: type[models.Model], using: str, pks: list[Any]) -> list[Any]:
    rows = _rows(model, using).filter(pk__in=pks)
    features = connections[using].features
    if features.has_select_for_update:
        of = ("self",) if features.has_select_for_update_of else ()
        rows = rows.select_for_update(of=of)
    return list(rows)


def _finding(row: Any) -> Finding:
    uuid, stored = str(row.uuid), _stored(row)
    plain = split_secrets({key: value for key, value in stored.items() if key != SEALED_KEY})[1]
    if SEALED_KEY not in stored:
        state = SecretState.PLAIN if any(has_secret(value) for value in plain.values()) else SecretState.NONE
        return Finding(row.pk, uuid, state)
    sealed, opened = stored[SEALED_KEY], _opened(row)
    if isinstance(opened, UnreadableConfig):
        return Finding(row.pk, uuid, SecretState.UNREADABLE, _key_id(sealed), str(opened.reason))
    key_id = key_id_of(str(sealed))
    if any(has_secret(value) for value in plain.values()):
        return Finding(row.pk, uuid, SecretState.PLAIN, key_id)
    state = SecretState.CURRENT if key_id == current_key_id() else SecretState.OLDER_KEY
    return Finding(row.pk, uuid, state, key_id)


def _key_id(sealed: Any) -> str | None:
    try:
        return key_id_of(str(sealed))
    except SecretUnavailable:
        return None


def _stored(row: Any) -> Mapping[str, Any]:
    stored = json.loads(row.stored_text or "null")
    return stored if isinstance(stored, dict) else {}


def _opened(row: Any) -> Any:
    return open_for(EncryptedConfigField().to_python(dict(_stored(row))), row)
