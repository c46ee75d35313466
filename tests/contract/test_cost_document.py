"""Every command and every block of `docs/cost.md` works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command

from agentcore_metering.adapters.django.models import LLMPrice
from agentcore_metering.core.types import TokenClass
from agentcore_metering.core.usage import CLASS_PARENTS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cost.md"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DOCUMENT.is_file(), reason="the documents are not beside the tests here"),
]


def blocks(language: str) -> list[str]:
    text = DOCUMENT.read_text() if DOCUMENT.is_file() else ""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


COMMANDS = [line for block in blocks("console") for line in block.splitlines()]


@pytest.mark.parametrize("line", COMMANDS)
def test_command_runs(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    python, manage, name, *arguments = shlex.split(line)

    call_command(name, *arguments)

    assert (python, manage) == ("python", "manage.py")
    assert capsys.readouterr().out


def test_python_block_enters_a_price() -> None:
    (block,) = blocks("python")

    exec(compile(block, str(DOCUMENT), "exec"), {})

    LLMPrice.objects.get(model_pattern="qwen-max*").full_clean()


def test_table_of_classes_is_complete() -> None:
    rows = re.findall(r"^\| (`[a-z_0-9` ]+`) \| (?:input|output) \| (.*?) ?\|$", DOCUMENT.read_text(), re.MULTILINE)
    told = {name: fallback for names, fallback in rows for name in re.findall(r"`(\w+)`", names)}

    assert set(told) == {token_class.value for token_class in TokenClass}
    for token_class, parent in CLASS_PARENTS.items():
        if token_class is not TokenClass.CACHE_WRITE_1H:
            assert told[token_class.value] == f"`{parent.value}`"
