"""Everything that the admin's pages say is there in simplified Chinese too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.utils.translation import override

import agentcore_metering.adapters.django as adapter
from tests.django.admin.pages import text_of, url
from tests.django.trackers.test_messages import written

ROOT = Path(adapter.__file__ or "").parent
FUNCTIONS = {"_", "_lazy", "gettext", "gettext_lazy"}
# Django translates these itself.
OF_DJANGO = {
    "Yes",
    "No",
    "All",
    "Home",
    "Save",
    "Search",
    "Please correct the errors below.",
    "Enter a valid JSON.",
    " By %(filter_title)s ",
}
# Not shown by any page.
SILENT = {"series.py"}


def _in_code() -> Iterator[str]:
    for path in [*(ROOT / "admin").glob("*.py"), *(ROOT / "models").glob("*.py"), ROOT / "apps.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS
            if path.name not in SILENT and is_call and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)


def _in_templates() -> Iterator[str]:
    for path in (ROOT / "templates").rglob("*.html"):
        source = path.read_text(encoding="utf-8")
        yield from re.findall(r'{% translate "([^"]+)"', source)
        for text in re.findall(r"{% blocktranslate.*?%}(.*?){% endblocktranslate %}", source, re.DOTALL):
            yield re.sub(r"{{ (\w+) }}", r"%(\1)s", text)


def test_every_text_has_a_translation() -> None:
    shown = {*_in_code(), *_in_templates()} - OF_DJANGO

    assert len(shown) > 200
    assert sorted(shown - set(written())) == []


def test_a_translation_has_the_placeholders_of_its_text() -> None:
    def placeholders(text: str) -> list[str]:
        return sorted(re.findall(r"%\(\w+\)[sr]", text))

    assert {text: placeholders(text) for text in written()} == {
        text: placeholders(zh) for text, zh in written().items()
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("llmusage", ("用量", "最近 24 小时", "记录数")),
        ("llmconfig", ("API 密钥", "归属", "所有人")),
        ("llmprice", ("当前有效", "任意服务商")),
        ("meteringconfig", ("保留期限与时间表", "清理时间表")),
    ],
)
def test_pages_speak_chinese(admin: Client, rows: dict[str, object], model: str, words: tuple[str, ...]) -> None:
    with override("zh-hans"):
        text = text_of(admin.get(url(model), headers={"accept-language": "zh-hans"}))

    for word in words:
        assert word in text
