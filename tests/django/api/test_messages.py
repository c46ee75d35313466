"""What the API and the admin's forms say to a reader of Chinese: every text of their own is found in the source, and has a translation."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import get_language, gettext, override
from rest_framework.test import APIClient

import agentcore_metering
from agentcore_metering.adapters.django.config.policy import InvalidCrontab
from agentcore_metering.adapters.django.stats import UnsupportedGranularity
from agentcore_metering.adapters.django.translated import translated
from agentcore_metering.core.errors import ConfigError
from agentcore_metering.core.texts import Text
from tests.django.api.urls import LLM_CONFIG, LLM_CONFIG_USERS, LLM_USAGE, METERING_CONFIG, TOKEN_STATS, UNKNOWN
from tests.django.factories import make_config

PACKAGE = Path(agentcore_metering.__file__).parent
ADAPTER = PACKAGE / "adapters" / "django"
ROOMS = (
    ADAPTER / "api",
    ADAPTER / "config",
    ADAPTER / "stats",
    ADAPTER / "fields" / "config.py",
    ADAPTER / "trackers",
    ADAPTER / "outbound.py",
    ADAPTER / "runtime.py",
    ADAPTER / "secretbox.py",
    PACKAGE / "core",
)
# Function or class that takes a text for the reader: which of its arguments it is.
SPEAKERS = {
    "ConfigError": 0,
    "ConfigNotFound": 0,
    "EndpointRefused": 0,
    "InvalidField": 1,
    "RequestError": 0,
    "SecretUnavailable": 0,
    "Text": 0,
    "UnusableAddress": 0,
    "_": 0,
    "bad_request": 0,
    "gettext": 0,
    "not_found": 0,
}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PARAMETER = re.compile(r"%\((\w+)\)[rs]")


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted(room.rglob("*.py")) if room.is_dir() else [room]:
            yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text())


def _said() -> Iterator[tuple[str, ast.expr]]:
    """Where, and the expression of each text; a text with parameters counts wherever it stands."""
    for place, tree in _trees():
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if id(node) in docstrings:
                continue
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
        UnsupportedGranularity().text.template,
        InvalidCrontab("cleanup_crontab").text.template,
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
    assert [place for place in formatted if not place.startswith("adapters/django/stats/")] == []


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


METADATA_SERVICE = "http://169.254.169.254/latest"


@pytest.mark.parametrize(
    "config",
    [
        {"api_base": METADATA_SERVICE},
        {"api_base": "http://[::1]:8000"},
        {"api_base": "http://127.1"},
        {"api_base": "ftp://api.example.com"},
        {"api_base": "http://a b"},
        {"api_base": "http://"},
        {"api_base": "http://[::g]"},
        {"aws_region_name": "eu.evil.example/"},
        {"api_version": "os.environ/SECRET_KEY"},
    ],
)
@pytest.mark.parametrize("endpoint", [LLM_CONFIG, f"{LLM_CONFIG}test/"])
def test_guards_refusal_is_in_the_readers_language(api: APIClient, endpoint: str, config: dict[str, str]) -> None:
    body = {"provider": "openai", "config": {"api_key": "k", **config}}

    with override("de"):
        refused = api.post(endpoint, body, format="json", HTTP_ACCEPT_LANGUAGE="zh-hans")
    english = api.post(endpoint, body, format="json", HTTP_ACCEPT_LANGUAGE="en")

    assert (refused.status_code, english.status_code) == (400, 400)
    assert CHINESE.search(str(refused.json())), refused.json()
    assert not re.search(r"[a-z]+ [a-z]+ [a-z]+ [a-z]+", str(refused.json())), refused.json()
    assert not CHINESE.search(str(english.json()))


@pytest.mark.parametrize(
    "config",
    [
        {"api_key": None},
        {"request_timeout_seconds": 0},
        {"stream_idle_timeout_seconds": "soon"},
        {"num_retries": 11},
        {"cost_currency": "yuan"},
    ],
)
def test_configuration_that_cannot_be_called_is_told_in_the_readers_language(
    api: APIClient, config: dict[str, Any]
) -> None:
    body = {"provider": "openai", "config": {"model": "gpt-4o-mini", "api_key": "sk-test", **config}}

    tested = api.post(f"{LLM_CONFIG}test/", body, format="json", HTTP_ACCEPT_LANGUAGE="zh-hans").json()

    assert (tested["ok"], tested["error_key"]) == (False, "config_invalid")
    assert CHINESE.search(tested["detail"]), tested


@pytest.mark.parametrize("streams", [False, True])
def test_stored_address_that_calls_are_refused_to_is_told_in_the_readers_language(
    api: APIClient, streams: bool
) -> None:
    row = make_config(config={"api_base": METADATA_SERVICE})
    body = {"config_uuid": str(row.uuid), "prompt": "Hi", "stream": streams}

    response: Any = api.post(f"{LLM_CONFIG}test-call/", body, format="json", HTTP_ACCEPT_LANGUAGE="zh-hans")
    said = response.getvalue().decode() if streams else response.content.decode()

    told = json.loads(said.removeprefix("data: "))
    assert told["error_key"] == "endpoint_refused"
    assert CHINESE.search(told["detail"])


def test_translating_leaves_the_active_language_alone() -> None:
    error = ConfigError(
        Text("num_retries must be a whole number from 0 to %(most)s, not %(value)r.", {"most": 1, "value": 2})
    )

    with override("zh-hans"):
        said, active = translated(error), get_language()
    with override("de"):
        untranslated, unchanged = translated(error), get_language()

    assert CHINESE.search(said)
    assert (active, unchanged) == ("zh-hans", "de")
    assert untranslated == str(error)


def test_text_without_words_stays_so() -> None:
    with override("zh-hans"):
        assert translated(Text("")) == ""
        assert translated(Text("100% of it")) == "100% of it"
