"""What the documents say is what the code does."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

import pytest

from agentcore_metering.adapters.django.conf import MeteringSettings, Setting
from agentcore_metering.core.providers import PROVIDERS

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = sorted(path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if path.is_file())

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


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_python_block_parses(path: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
        ast.parse(textwrap.dedent(block))


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text())
    local = [target for target in targets if not target.startswith(("http", "mailto"))]

    assert [target for target in local if not (path.parent / target).exists()] == []


def test_both_readmes_say_the_same() -> None:
    english, chinese = ((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))

    def shape(text: str) -> list[str]:
        return [re.sub(r"[^#|`]", "", line)[:4] for line in text.splitlines() if line.startswith(("#", "|", "```"))]

    assert shape(english) == shape(chinese)
