"""What the documents say is what the code does."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from django.core.management import get_commands

from agentcore_metering.adapters.django import user_urls
from agentcore_metering.adapters.django.api import urls as api_urls
from agentcore_metering.adapters.django.conf import MeteringSettings, Setting
from agentcore_metering.core.providers import PROVIDERS
from tests.contract.pages import APP, FENCE, anchors, commands_named, local_links, options_of, parser_of

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = sorted(path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if path.is_file())
EVERY_PAGE = pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
SETTINGS = {value.name for value in vars(MeteringSettings).values() if isinstance(value, Setting)}
COMMANDS = sorted(name for name, app in get_commands().items() if app == APP)

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

    assert [name for name in COMMANDS if name not in text] == []


def test_every_system_check_is_in_the_table() -> None:
    sources = (ROOT / APP.replace(".", "/")).rglob("*.py")
    ids = {found for path in sources for found in re.findall(r"agentcore_metering\.([EWI]\d{3})", path.read_text())}
    table = re.findall(r"^\| `([EWI]\d{3})` \|", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)

    assert sorted(table) == sorted(ids)


def test_every_endpoint_is_in_the_tables() -> None:
    text = (ROOT / "docs/api.md").read_text()
    named = {
        re.sub(r"<\w+>", "<>", endpoint)
        for endpoint in re.findall(r"^\| `([\w<>-]+/[\w<>/-]*)` \| [A-Z]", text, re.MULTILINE)
    }
    admin, own = (
        {re.sub(r"<\w+:\w+>", "<>", str(pattern.pattern)) for pattern in patterns}
        for patterns in (api_urls.urlpatterns, user_urls.urlpatterns)
    )

    # What users have of the admin's endpoints is told in a paragraph, without slashes at the end as theirs have none.
    paragraph = text[text.index("## Users' own endpoints") :]
    assert named - admin == {endpoint for endpoint in own if endpoint.startswith("my/")}
    assert admin - named == set()
    assert [part for endpoint in own - named for part in endpoint.split("<>") if part.strip("/") not in paragraph] == []


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
        return set(re.findall(r"`([A-Za-z_./$-]+)`", FENCE.sub("", path.read_text())))

    assert links(english) == links(chinese)
    assert names(english) == names(chinese)
