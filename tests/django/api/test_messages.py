"""What the API says to a reader of Chinese: every text of its own is found in the source, and has a translation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import gettext, override
from rest_framework.test import APIClient

import agentcore_metering.adapters.django
from agentcore_metering.adapters.django.config.policy import InvalidCrontab
from agentcore_metering.adapters.django.stats import UnsupportedGranularity
from tests.django.api.urls import LLM_CONFIG, LLM_CONFIG_USERS, LLM_USAGE, METERING_CONFIG, TOKEN_STATS, UNKNOWN

ADAPTER = Path(agentcore_metering.adapters.django.__file__).parent
ROOMS = ("api", "config", "stats")
# Function or class that takes a text for the reader: which of its arguments it is.
SPEAKERS = {"InvalidField": 1, "not_found": 0, "bad_request": 0, "gettext": 0, "_": 0}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PARAMETER = re.compile(r"%\((\w+)\)[rs]")


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ADAPTER / room).rglob("*.py")):
            yield str(path.relative_to(ADAPTER)), ast.parse(path.read_text())


def _said() -> Iterator[tuple[str, ast.expr]]:
    """Where, and the expression of each text; a text with parameters counts wherever it stands."""
    for place, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SPEAKERS:
                index = SPEAKERS[node.func.id]
                if len(node.args) > index:
                    yield f"{place}:{node.lineno}", node.args[index]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and PARAMETER.search(node.value):
                yield f"{place}:{node.lineno}", node
            elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["message"]:
                yield f"{place}:{node.lineno}", node.value


TEXTS = sorted(
    {
        *(node.value for _place, node in _said() if isinstance(node, ast.Constant) and isinstance(node.value, str)),
        UnsupportedGranularity().message,
        InvalidCrontab("cleanup_crontab").message,
        "Not found.",
    }
)


@pytest.mark.parametrize("text", TEXTS)
def test_text_of_the_api_has_a_chinese_translation_with_the_same_parameters(text: str) -> None:
    with override("zh-hans"):
        translation = gettext(text)

    assert CHINESE.search(translation), text
    assert set(PARAMETER.findall(translation)) == set(PARAMETER.findall(text))


def test_texts_are_found_in_the_source() -> None:
    assert len(TEXTS) >= 40
    assert {"User not found.", "Null characters are not allowed.", "%(value)r is not allowed here."} <= set(TEXTS)


def test_no_text_is_put_together_before_it_can_be_translated() -> None:
    formatted = [place for place, node in _said() if isinstance(node, (ast.JoinedStr, ast.BinOp))]

    # Bounds of series and forms of dates speak of parameters and figures, in English.
    assert [place for place in formatted if not place.startswith("stats/")] == []


@pytest.mark.parametrize(
    ("method", "url", "body", "field"),
    [
        ("get", f"{LLM_USAGE}?user_id=abc", None, "user_id"),
        ("get", f"{TOKEN_STATS}?granularity=hour", None, "detail"),
        ("get", f"{LLM_CONFIG}{UNKNOWN}/", None, "detail"),
        ("get", f"{LLM_CONFIG_USERS}{UNKNOWN}/", None, "detail"),
        ("post", LLM_CONFIG, {"scope": "user"}, "user_id"),
        ("post", LLM_CONFIG, {"scope": "user", "user_id": "abc"}, "user_id"),
        ("post", LLM_CONFIG, {"scope": "user", "user_id": "4711"}, "detail"),
        ("post", LLM_CONFIG, {"config": []}, "config"),
        ("post", LLM_CONFIG, {"config": {"api_key": "***"}}, "config"),
        ("post", LLM_CONFIG, {"config": {"model": 5}}, "config"),
        ("patch", METERING_CONFIG, {"cleanup_crontab": "bad"}, "cleanup_crontab"),
        ("post", f"{LLM_CONFIG}test-call/", {"prompt": "Hi"}, "detail"),
    ],
)
def test_refusal_is_in_the_readers_language(api: APIClient, method: str, url: str, body: Any, field: str) -> None:
    response = getattr(api, method)(
        url, body, format="json" if body is not None else None, HTTP_ACCEPT_LANGUAGE="zh-hans"
    )

    assert response.status_code in (400, 404)
    assert CHINESE.search(str(response.json()[field])), response.json()
