"""`metering_secrets`: seal what is stored in clear, seal anew under a new key, and say whether every secret opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import CommandParser

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.sealing import (
    BATCH_SIZE,
    TO_ENCRYPT,
    TO_ROTATE,
    Finding,
    SecretState,
    inspect_secrets,
    seal_rows,
)
from agentcore_metering.adapters.django.management.options import add_batch_size, add_dry_run
from agentcore_metering.adapters.django.management.output import FOUND, OperatorCommand, table
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.secretbox import current_key_id, key_ids_at_hand

SEALING = {"encrypt": TO_ENCRYPT, "rotate": TO_ROTATE}
"""Which rows each sub-command seals."""


class Command(OperatorCommand):
    """No key and no secret is printed, except the one that `generate-key` makes."""

    help = (
        "Secrets of stored configurations. encrypt: seal those that are stored in clear. rotate: seal anew what is not under the "
        "newest key. check: whether every secret opens. generate-key: a new key. Stopped in the middle, encrypt and rotate go on where "
        "they ended."
    )
    statuses = {
        0: "every secret opens, and for check none is in clear",
        1: "rows are left that cannot be opened, or for check are in clear",
        2: "wrong options, a key that is none, or the database cannot be used",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="encrypt|rotate|check|generate-key")
        for name, text in (
            ("encrypt", "seal secrets that are stored in clear"),
            ("rotate", "seal anew, under the first of the configured keys"),
            ("check", "open every secret and name the rows that do not"),
            ("generate-key", "print a new key for AGENTCORE_METERING_ENCRYPTION_KEYS"),
        ):
            action = actions.add_parser(name, help=text, description=text)
            super().add_arguments(action)
            if name in SEALING:
                add_dry_run(action)
            if name != "generate-key":
                add_batch_size(action, BATCH_SIZE)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the sub-command says."""
        if options["action"] == "generate-key":
            key = Fernet.generate_key().decode()
            self.print_result({"key": key}, [key], options)
            return
        current_key_id()  # a key that is none is told before a row is looked at
        if options["action"] == "check":
            self._check(options)
        else:
            self._seal(options)

    def _seal(self, options: dict[str, Any]) -> None:
        is_dry_run = options["dry_run"]
        done = "to be sealed" if is_dry_run else "sealed"
        with self.progress("rows", options, _count) as progress:
            report = seal_rows(
                LLMConfig,
                metering_settings.DATABASE_ALIAS,
                SEALING[options["action"]],
                batch_size=options["batch_size"],
                is_dry_run=is_dry_run,
                tell=lambda report: progress.update(report.seen),
            )
        document = {
            "rows": report.seen,
            "sealed": report.sealed,
            "dry_run": is_dry_run,
            "key": current_key_id(),
            "unreadable": [_item(found) for found in report.unreadable],
        }
        told = f"{report.sealed} of {report.seen} rows {done} under the key {current_key_id()}"
        self.print_result(document, [told, *_unreadable_lines(report.unreadable)], options)
        self.end(
            FOUND if report.unreadable else 0, f"{len(report.unreadable)} rows cannot be opened and stay as they are"
        )

    def _check(self, options: dict[str, Any]) -> None:
        states: Counter[str] = Counter()
        keys: Counter[str] = Counter()
        unreadable: list[Finding] = []
        plain: list[str] = []
        with self.progress("rows", options, _count) as progress:
            for found in inspect_secrets(LLMConfig, metering_settings.DATABASE_ALIAS, options["batch_size"]):
                states[found.state] += 1
                progress.update(states.total())
                if found.key_id is not None:
                    keys[found.key_id] += 1
                if found.state is SecretState.UNREADABLE:
                    unreadable.append(found)
                if found.state is SecretState.PLAIN:
                    plain.append(found.uuid)
        document = {
            "rows": states.total(),
            "states": {state.value: states[state] for state in SecretState},
            "keys": dict(sorted(keys.items())),
            "keys_at_hand": list(key_ids_at_hand()),
            "plain": plain,
            "unreadable": [_item(found) for found in unreadable],
        }
        self.print_result(document, _check_lines(document, unreadable, plain), options)
        self.end(FOUND if unreadable or plain else 0, _verdict(len(unreadable), len(plain)))


def _count() -> int:
    return LLMConfig.objects.using(metering_settings.DATABASE_ALIAS).count()


def _item(found: Finding) -> dict[str, Any]:
    return {"id": found.pk, "uuid": found.uuid, "key": found.key_id, "reason": found.reason}


def _unreadable_lines(unreadable: list[Finding]) -> Iterator[str]:
    for found in unreadable:
        yield f"{found.uuid} (id {found.pk}): {found.reason}"


def _check_lines(document: dict[str, Any], unreadable: list[Finding], plain: list[str]) -> Iterator[str]:
    yield from table([(state, count) for state, count in document["states"].items()])
    for key, count in document["keys"].items():
        yield f"{count} under the key {key}{'' if key in document['keys_at_hand'] else ', which is not at hand'}"
    for uuid in plain:
        yield f"{uuid}: stored in clear"
    yield from _unreadable_lines(unreadable)


def _verdict(unreadable: int, plain: int) -> str:
    parts: list[tuple[int, Callable[[int], str]]] = [
        (unreadable, "{} rows cannot be opened: give their key back, or enter their secrets again".format),
        (plain, "{} rows are stored in clear: run metering_secrets encrypt".format),
    ]
    return "; ".join(text(count) for count, text in parts if count)
