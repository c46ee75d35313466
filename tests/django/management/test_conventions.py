"""Every command of this app reads like one tool: the same names for the same options, a result first, the same exit statuses."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import OperationalError, connection
from django.test import override_settings

from agentcore_metering.adapters.django.management.output import OperatorCommand

APP = "agentcore_metering.adapters.django"
COMMANDS = sorted(name for name, app in get_commands().items() if app == APP)
OF_DJANGO = {
    "help",
    "version",
    "verbosity",
    "settings",
    "pythonpath",
    "traceback",
    "no_color",
    "force_color",
    "skip_checks",
}
OLDER_NAMES = {("aggregate_llm_usage_series", "--start"), ("aggregate_llm_usage_series", "--end")}
"""Of existing crontabs."""

KNOWN = {
    "--ahead": "months",
    "--at": "a moment",
    "--batch-size": "rows in one transaction",
    "--bom": "of CSV",
    "--dry-run": "change nothing",
    "--filter": "as the API",
    "--format": "of a file",
    "--from": "first moment",
    "--granularity": "of existing crontabs",
    "--hours": "how many",
    "--include-provider": "also what a provider reported",
    "--json": "one document",
    "--max-age": "seconds",
    "--max-backlog": "records",
    "--model": "a model",
    "--move-random-ids": "of an older release",
    "--output": "a file",
    "--provider": "a provider",
    "--reason": "kept in the trail",
    "--rebuild": "anew",
    "--retention-days": "days",
    "--service": "service.name",
    "--strict": "fail for more",
    "--timeout": "seconds",
    "--to": "first moment after the last",
    "--tolerance": "a part",
    "--undo": "the way back",
    "--url": "an address",
    "--verify": "compare",
}
"""The options there are. A new one is added here, so that nobody invents a second name for the same thing."""

CHANGES_ROWS_OF_USAGE = ("metering_cleanup", "metering_reprice", "metering_rollup")


def command_of(name: str) -> OperatorCommand:
    command = load_command_class(APP, name)
    assert isinstance(command, OperatorCommand), f"{name} is no OperatorCommand"
    return command


def parsers_of(name: str) -> Iterator[argparse.ArgumentParser]:
    """The parser, and those of its sub-commands in its place where it has some."""
    parser = command_of(name).create_parser("manage.py", name)
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    yield from groups[0].choices.values() if groups else [parser]


def own_options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings and action.dest not in OF_DJANGO]


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 11


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_json_where_it_is_asked_to(name: str) -> None:
    assert all("--json" in parser._option_string_actions for parser in parsers_of(name))


@pytest.mark.parametrize("name", COMMANDS)
def test_options_have_the_names_that_others_have(name: str) -> None:
    found = {text for parser in parsers_of(name) for action in own_options(parser) for text in action.option_strings}

    assert {text for text in found if (name, text) not in OLDER_NAMES} <= KNOWN.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does_and_the_same_everywhere(name: str) -> None:
    for parser in parsers_of(name):
        for action in own_options(parser):
            assert action.help, action.option_strings
            assert action.help[0] not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" or action.help.startswith(
                ("Prometheus", "AGENTCORE")
            )
            if action.option_strings[0] in ("--json", "--dry-run", "--batch-size"):
                assert action.help.startswith(
                    {
                        "--json": "print one JSON document on stdout",
                        "--dry-run": "change nothing, only say what would be done",
                        "--batch-size": "rows in one transaction (default: ",
                    }[action.option_strings[0]]
                )


@pytest.mark.parametrize("name", CHANGES_ROWS_OF_USAGE)
def test_a_command_that_changes_figures_can_say_first_what_it_would_do(name: str) -> None:
    assert all("--dry-run" in parser._option_string_actions for parser in parsers_of(name))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_begins_with_what_it_does_and_ends_with_the_exit_statuses(name: str) -> None:
    command = command_of(name)
    told = " ".join(command.create_parser("manage.py", name).format_help().split())

    assert re.match(r"[A-Z][a-z]+ |list: |Secrets of ", command.help)
    assert "Exit status" not in command.help
    assert {0, 2} <= command.statuses.keys() <= {0, 1, 2}
    assert "Exit status: 0 " in told
    assert all(f"{status} {meaning}" in told for status, meaning in command.statuses.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_runs_the_checks_of_the_host(name: str) -> None:
    assert command_of(name).requires_system_checks == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [
        ("metering_export", "--output", "x", "--filter", "provider"),
        ("metering_export", "--output", "x", "--filter", "colour=red"),
        ("metering_export", "--output", "no/such/directory/x"),
        ("metering_reconcile", "--url", "http://127.0.0.1:9", "--from", "2026-11-01"),
        ("metering_reconcile",),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_ends_with_2(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as ended:
        call_command(*arguments, stdout=StringIO(), stderr=StringIO())

    assert ended.value.returncode == 2


class Away(OperatorCommand):
    def handle(self, *args: object, **options: object) -> None:
        raise OperationalError("connection refused")


def test_a_database_that_is_away_is_told_in_a_sentence_and_ends_with_2() -> None:
    with pytest.raises(CommandError, match=r"The database cannot be used: connection refused") as ended:
        call_command(Away())

    assert ended.value.returncode == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"WRITE_MODE": "sometimes"}, "AGENTCORE_METERING_WRITE_MODE"),
        ({"DATABASE_ALIAS": "nowhere"}, "nowhere"),
        ({"ENCRYPTION_KEYS": ["none"]}, r"AGENTCORE_METERING_ENCRYPTION_KEYS\[0\]"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_used_are_told_in_a_sentence_and_end_with_2(values: dict[str, Any], told: str) -> None:
    name = "metering_secrets check" if "ENCRYPTION_KEYS" in values else "metering_status"
    changed = {f"AGENTCORE_METERING_{key}": value for key, value in values.items()}

    with (
        override_settings(**changed),
        pytest.raises(CommandError, match=rf"The settings cannot be used: .*{told}") as e,
    ):
        call_command(*name.split(), stdout=StringIO(), stderr=StringIO())

    assert (e.value.returncode, e.value.__cause__) == (2, None)


class Closed(StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["metering_prices", "metering_status"])
def test_reader_that_is_gone_is_told_in_a_sentence_and_ends_with_2(name: str) -> None:
    with pytest.raises(CommandError, match="stdout is gone") as ended:
        call_command(name, stdout=Closed())

    assert ended.value.returncode == 2


@pytest.mark.django_db
@pytest.mark.parametrize("option", ["--start", "--end"])
def test_moment_that_is_none_is_a_wrong_option_of_the_older_command_too(option: str) -> None:
    with pytest.raises(CommandError, match="no date or time"):
        call_command("aggregate_llm_usage_series", option, "nonsense", stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_tables_that_are_not_there_yet_are_told_in_a_sentence_and_end_with_2() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE agentcore_metering_llm_price RENAME TO elsewhere")
    try:
        with pytest.raises(CommandError, match=r"The database cannot be used: .*agentcore_metering_llm_price") as ended:
            call_command("metering_prices", stdout=StringIO())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO agentcore_metering_llm_price")

    assert ended.value.returncode == 2


PAGE = Path("docs/operations.md")
ROW = re.compile(
    r"^\| `(?P<name>[a-z_]+)(?P<options>[^`]*)` \|(?P<does>[^|]*)\|(?P<first>[^|]*)\|(?P<second>[^|]*)\|(?P<third>[^|]*)\|$",
    re.M,
)


@pytest.fixture(scope="module")
def rows() -> dict[str, re.Match[str]]:
    section = PAGE.read_text().partition("## All commands")[2].partition("\n## ")[0]
    return {row["name"]: row for row in ROW.finditer(section)}


def test_page_lists_every_command(rows: dict[str, re.Match[str]]) -> None:
    assert sorted(rows) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_page_lists_every_option_and_status(rows: dict[str, re.Match[str]], name: str) -> None:
    row, command = rows[name], command_of(name)
    options = {text for parser in parsers_of(name) for action in own_options(parser) for text in action.option_strings}

    assert set(re.findall(r"--[a-z-]+", row["options"])) == options - {"--json"}
    told = [command.statuses.get(status, "") for status in range(3)]
    assert [row["first"].strip(), row["second"].strip(), row["third"].strip()] == told


def test_json_of_every_command_that_needs_no_argument_is_one_document(db: None) -> None:
    for name in ("metering_status", "metering_audit_costs", "metering_prices", "metering_rollup", "metering_cleanup"):
        out = StringIO()
        call_command(
            name, "--json", *(["--dry-run"] if name in ("metering_rollup", "metering_cleanup") else []), stdout=out
        )
        json.loads(out.getvalue())
