"""What the documents say is what the code does."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from argparse import ArgumentParser, _SubParsersAction
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from agentcore_metering.adapters.django.conf import MeteringSettings, Setting
from agentcore_metering.adapters.django.sql_views import VERSIONS
from agentcore_metering.core.providers import PROVIDERS

ROOT = Path(__file__).resolve().parents[2]
APP = "agentcore_metering.adapters.django"
MARKDOWN = sorted(path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if path.is_file())
EVERY_PAGE = pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
SETTINGS = {value.name for value in vars(MeteringSettings).values() if isinstance(value, Setting)}
COMMANDS = sorted(name for name, app in get_commands().items() if app == APP)
NO_COMMANDS = {"metering_calls", "metering_telemetry", "metering_state", "metering_settings"}
"""Public names that look like commands, besides the views'."""
_FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the documents are not beside the tests here")


def test_every_setting_stands_in_the_configuration_table_with_its_default() -> None:
    table = dict(
        re.findall(
            r"^\| `(AGENTCORE_METERING_\w+)` \| `([^`]*)` \|",
            (ROOT / "docs/configuration.md").read_text(),
            re.MULTILINE,
        )
    )
    settings = {
        value.name: repr(value.default) for value in vars(MeteringSettings).values() if isinstance(value, Setting)
    }

    assert table == {name: default for name, default in settings.items() if name.startswith("AGENTCORE_METERING_")}


def test_every_provider_is_named() -> None:
    text = (ROOT / "docs/configuration.md").read_text()

    assert [provider for provider in PROVIDERS if f"`{provider}`" not in text] == []


@EVERY_PAGE
def test_every_python_block_parses(path: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
        ast.parse(textwrap.dedent(block))


@EVERY_PAGE
def test_every_link_leads_somewhere(path: Path) -> None:
    assert [target for target in local_links(path) if not (path.parent / target.partition("#")[0]).exists()] == []


@EVERY_PAGE
def test_every_anchor_is_a_heading(path: Path) -> None:
    anchored = [target.partition("#") for target in local_links(path) if "#" in target]

    lost = [
        f"{page}#{anchor}"
        for page, _, anchor in anchored
        if anchor not in anchors((path.parent / page) if page else path)
    ]
    assert lost == []


@EVERY_PAGE
def test_every_setting_named_exists(path: Path) -> None:
    named = set(re.findall(r"\bAGENTCORE_METERING_[A-Z0-9_]*[A-Z0-9]\b", path.read_text()))

    assert named - SETTINGS == set()


@EVERY_PAGE
def test_every_command_named_exists_with_its_options(path: Path) -> None:
    unknown = [
        f"{command} {option}"
        for command, text in commands_named(path)
        for option in ("", *re.findall(r"(?<!\S)\[?(--[a-z-]+)", text))
        if command not in COMMANDS or (option and option not in options_of(parser_of(command)))
    ]

    assert unknown == []


CONSOLE_LINES = [
    pytest.param(line, id=f"{path.relative_to(ROOT)}: {line}"[:100])
    for path in MARKDOWN
    for block in re.findall(r"^ *```(?:console|sh)\n(.*?)^ *```", path.read_text(), re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if re.match(r" *python manage\.py (metering_|aggregate_)", line)
]


@pytest.mark.parametrize("line", CONSOLE_LINES)
def test_every_command_line_parses(line: str) -> None:
    _, _, name, *arguments = shlex.split(line, comments=True)

    parser_of(name).parse_args(arguments)


def test_every_command_is_documented() -> None:
    text = "".join(path.read_text() for path in MARKDOWN)

    assert [name for name in COMMANDS if f"{name}" not in text] == []


def test_every_system_check_is_in_the_table() -> None:
    sources = (ROOT / APP.replace(".", "/")).glob("*.py")
    ids = {found for path in sources for found in re.findall(r"agentcore_metering\.([EWI]\d{3})", path.read_text())}
    table = re.findall(r"^\| `([EWI]\d{3})` \|", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)

    assert sorted(table) == sorted(ids)


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs/README.md"
    pages = {*ROOT.glob("docs/*.md"), *ROOT.glob("docs/guides/*.md")} - {index}

    assert pages - {(index.parent / target.partition("#")[0]).resolve() for target in local_links(index)} == set()


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/guides/*.md")), ids=lambda path: path.stem)
def test_every_guide_fits_on_a_page(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 90


def test_every_room_of_contributing_exists() -> None:
    named = re.findall(r"`([\w.-]+/[\w./-]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    roots = [ROOT, ROOT / "agentcore_metering", ROOT / APP.replace(".", "/")]

    assert [path for path in named if not any((root / path).exists() for root in roots)] == []


def local_links(path: Path) -> list[str]:
    """The targets of a page's links and pictures that are in this repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", path.read_text()))
    return [target for target in targets if not target.startswith(("http", "mailto"))]


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.*)$", _FENCE.sub("", path.read_text()), re.MULTILINE):
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


def test_both_readmes_say_the_same() -> None:
    english, chinese = ((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))

    def shape(text: str) -> list[str]:
        return [re.sub(r"[^#|`]", "", line)[:4] for line in text.splitlines() if line.startswith(("#", "|", "```"))]

    assert shape(english) == shape(chinese)


@pytest.mark.parametrize("page", ["README", "docs/DESIGN"])
def test_both_languages_have_the_same_links_and_names(page: str) -> None:
    english, chinese = (ROOT / f"{page}{suffix}.md" for suffix in ("", ".zh-CN"))

    def links(path: Path) -> Counter[str]:
        return Counter(target.replace(".zh-CN", "") for target in local_links(path))

    def names(path: Path) -> set[str]:
        return set(re.findall(r"`([A-Za-z_./$-]+)`", _FENCE.sub("", path.read_text())))

    assert links(english) == links(chinese)
    assert names(english) == names(chinese)
