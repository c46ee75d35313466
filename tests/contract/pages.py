"""What the tests of the documents read out of a page: links, anchors, and commands with their options."""

from __future__ import annotations

import re
from argparse import ArgumentParser, _SubParsersAction
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from django.core.management import load_command_class

from agentcore_metering.adapters.django.sql_views import VERSIONS

APP = "agentcore_metering.adapters.django"
NO_COMMANDS = {"metering_calls", "metering_telemetry", "metering_state", "metering_settings"}
"""Public names that look like commands, besides the views'."""
FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)


def local_links(path: Path) -> list[str]:
    """The targets of a page's links and pictures that are in this repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", path.read_text()))
    return [target for target in targets if not target.startswith(("http", "mailto"))]


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), re.MULTILINE):
        slug = (
            re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).strip().replace(" ", "-")
        )
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def commands_named(path: Path) -> Iterator[tuple[str, str]]:
    """Each `metering_...` in a page's code that is no other public name, with what follows it there."""
    others = NO_COMMANDS | {view for views in VERSIONS.values() for view, _ in views}
    text = path.read_text()
    for piece in (*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^.*manage\.py.*$", text, re.MULTILINE)):
        for command, rest in re.findall(r"(?<![\w./-])(metering_[a-z_]+)\b(?![.\w(=/:])([^`|;&#]*)", piece):
            if command not in others or "--" in rest:
                yield command, rest


def parser_of(name: str) -> ArgumentParser:
    return load_command_class(APP, name).create_parser("manage.py", name)


def options_of(parser: ArgumentParser) -> set[str]:
    """The options of a command and of its actions."""
    options = set()
    for action in parser._actions:
        options |= set(action.option_strings)
        if isinstance(action, _SubParsersAction):
            options |= {option for child in action.choices.values() for option in options_of(child)}
    return options
