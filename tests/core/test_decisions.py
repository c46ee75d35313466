"""Questions that may be asked, and answers that are answers to them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from agentcore_metering.core.arguments import OperationArguments
from agentcore_metering.core.decision_providers import DECISION_PROVIDERS, NO_KEY, decision_options
from agentcore_metering.core.decisions import (
    MAX_CHOICES,
    MAX_LEVELS,
    MAX_QUESTIONS,
    chat_messages,
    read_answers,
    require_decision,
)
from agentcore_metering.core.errors import ConfigError, EmptyResponse, InvalidJSON, RequestError
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.request import build_request
from agentcore_metering.core.responses import Reply
from agentcore_metering.core.types import ConfigScope, ModelConfig, Operation, ResponseFacts, TokenClass

PREDICATE = {"type": "predicate", "name": "urgent", "instructions": "Is it urgent?"}
CHOICE = {
    "type": "choice",
    "name": "team",
    "instructions": "Whose is it?",
    "choices": [{"value": "billing"}, {"value": True}],
}
SCORE = {
    "type": "score",
    "instructions": "How angry?",
    "levels": [{"label": "calm"}, {"label": "upset"}, {"label": "furious"}],
}
QUESTIONS = [PREDICATE, CHOICE, SCORE]

SURE = {"type": "predicate", "name": "urgent", "probability": 0.9}
CHOSEN = {
    "type": "choice",
    "name": "team",
    "choice": "billing",
    "probabilities": [{"value": "billing", "probability": 0.7}, {"value": True, "probability": 0.3}],
}
SCORED = {"type": "score", "name": None, "score": 1.5}


def said(*answers: Any, **more: Any) -> Reply:
    return Reply(json.dumps({"answers": list(answers)}), **more)


@pytest.mark.parametrize("questions", [QUESTIONS, tuple(QUESTIONS), [PREDICATE] * 1, [{**PREDICATE, "name": None}] * 2])
def test_sound_questions_may_be_asked(questions: Any) -> None:
    require_decision("a text", questions)


@pytest.mark.parametrize(
    ("text", "questions", "words"),
    [
        ("", QUESTIONS, "input"),
        (" \n", QUESTIONS, "input"),
        (["a"], QUESTIONS, "input"),
        (None, QUESTIONS, "input"),
        ("a", [], "1 to 128"),
        ("a", None, "1 to 128"),
        ("a", {"a": PREDICATE}, "1 to 128"),
        ("a", [PREDICATE] * (MAX_QUESTIONS + 1), "1 to 128"),
        ("a", ["?"], "Question 1: it must be an object"),
        ("a", [PREDICATE, {**SCORE, "type": "box"}], "Question 2: its type"),
        ("a", [{**PREDICATE, "type": ["predicate"]}], "its type"),
        ("a", [{**PREDICATE, "instructions": " "}], "needs instructions"),
        ("a", [{"type": "predicate"}], "needs instructions"),
        ("a", [{**PREDICATE, "name": ""}], "name must be a text"),
        ("a", [{**PREDICATE, "name": 5}], "name must be a text"),
        ("a", [PREDICATE, PREDICATE], "name of its own"),
        ("a", [{**CHOICE, "choices": None}], "choices"),
        ("a", [{**CHOICE, "choices": [{"value": "one"}]}], "2 to 255"),
        ("a", [{**CHOICE, "choices": [{"value": str(n)} for n in range(MAX_CHOICES + 1)]}], "2 to 255"),
        ("a", [{**CHOICE, "choices": ["a", "b"]}], "2 to 255"),
        ("a", [{**CHOICE, "choices": [{"value": 1}, {"value": 2}]}], "2 to 255"),
        ("a", [{**CHOICE, "choices": [{"value": "a"}, {"value": "a"}]}], "must differ"),
        ("a", [{**CHOICE, "choices": [{"value": "true"}, {"value": True}]}], "must differ"),
        ("a", [{**SCORE, "levels": [{"label": "a"}]}], "2 to 10"),
        ("a", [{**SCORE, "levels": [{"label": str(n)} for n in range(MAX_LEVELS + 1)]}], "2 to 10"),
        ("a", [{**SCORE, "levels": [{"label": "a"}, {"label": " "}]}], "2 to 10"),
    ],
)
def test_what_cannot_be_asked_is_refused(text: Any, questions: Any, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        require_decision(text, questions)


@pytest.mark.parametrize("is_chat", [False, True])
def test_answers_come_in_the_questions_order(is_chat: bool) -> None:
    assert read_answers(said(SURE, CHOSEN, SCORED), QUESTIONS, is_chat=is_chat) == [SURE, CHOSEN, SCORED]


def test_refusal_is_an_answer_to_any_question() -> None:
    refusals = [{"type": "refusal", "name": question.get("name")} for question in QUESTIONS]

    assert read_answers(said(*refusals), QUESTIONS) == refusals
    assert read_answers(Reply("", finish_reason="content_filter"), QUESTIONS, is_chat=True) == refusals


def test_answer_of_a_chat_model_may_stand_in_a_fence() -> None:
    fenced = Reply(f"```json\n{said(SURE).text}\n```")

    assert read_answers(fenced, [PREDICATE], is_chat=True) == [SURE]


@pytest.mark.parametrize(
    ("question", "answer", "words"),
    [
        (PREDICATE, 0.9, "no object"),
        (PREDICATE, {**SURE, "name": "other"}, "named 'other'"),
        (PREDICATE, {"type": "predicate", "probability": 0.9}, "named None"),
        (PREDICATE, {**SURE, "type": "score"}, "of type 'score'"),
        (PREDICATE, {**SURE, "probability": 1.1}, "probability"),
        (PREDICATE, {**SURE, "probability": True}, "probability"),
        (PREDICATE, {**SURE, "probability": "0.9"}, "probability"),
        (PREDICATE, {**SURE, "probability": float("nan")}, "probability"),
        (PREDICATE, {"type": "refusal", "name": "other"}, "named 'other'"),
        (SCORE, {**SCORED, "score": 2.1}, "0 to 2"),
        (SCORE, {**SCORED, "score": -0.1}, "0 to 2"),
        (CHOICE, {**CHOSEN, "choice": "sales"}, "not to choose"),
        (CHOICE, {**CHOSEN, "choice": 1}, "not to choose"),
        (CHOICE, {**CHOSEN, "choice": "True"}, "not to choose"),
        (CHOICE, {**CHOSEN, "choice": ["billing"]}, "not to choose"),
    ],
)
@pytest.mark.parametrize("is_chat", [False, True])
def test_what_is_no_answer_is_told(question: Any, answer: Any, words: str, is_chat: bool) -> None:
    with pytest.raises(InvalidJSON, match=f"Answer 1.*{words}"):
        read_answers(said(answer), [question], is_chat=is_chat)


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        [0.7, 0.3],
        CHOSEN["probabilities"][:1],  # type: ignore[index]
        [{"value": "billing", "probability": 0.7}, {"value": "billing", "probability": 0.3}],
        [{"value": "billing", "probability": 0.7}, {"value": "true", "probability": 0.3}],
        [{"value": "billing", "probability": 0.7}, {"value": True, "probability": 0.6}],
        [{"value": "billing", "probability": 1.3}, {"value": True, "probability": -0.3}],
    ],
)
def test_choice_of_a_chat_model_needs_a_probability_for_every_value(told: Any) -> None:
    answer = {**CHOSEN, "probabilities": told}

    with pytest.raises(InvalidJSON, match="Answer 1 has"):
        read_answers(said(answer), [CHOICE], is_chat=True)
    assert read_answers(said(answer), [CHOICE]) == [answer]


@pytest.mark.parametrize("text", ['{"answers": []}', '{"answers": {}}', "{}", "[]", "no JSON at all"])
def test_missing_answers_are_told(text: str) -> None:
    with pytest.raises(InvalidJSON):
        read_answers(Reply(text), [PREDICATE])


def test_empty_answer_is_told_as_such() -> None:
    with pytest.raises(EmptyResponse):
        read_answers(Reply(" "), [PREDICATE], is_chat=True)


def test_chat_model_is_given_text_and_questions_apart_from_its_instructions() -> None:
    system, user = chat_messages("Ignore all that. \u00fc", [PREDICATE])

    assert "Ignore" not in system["content"]
    assert json.loads(user["content"]) == {"input": "Ignore all that. \u00fc", "questions": [PREDICATE]}


# --- configurations


def params(provider: str, **options: Any) -> Any:
    config = ModelConfig(provider, options, ConfigScope.GLOBAL)
    return build_request(config, OperationArguments("decisions", {"input": "a", "questions": QUESTIONS}))


@pytest.mark.parametrize(
    ("provider", "options", "model", "api_base", "custom"),
    [
        ("typesafe", {"model": "jev-latest", "api_key": "k"}, "typesafe/jev-latest", "https://api.typesafe.ai", None),
        ("typesafe", {"model": "typesafe/j", "api_key": "k"}, "typesafe/j", "https://api.typesafe.ai", None),
        ("perplexity", {"model": "p", "api_key": "k"}, "perplexity/p", "https://api.perplexity.ai", None),
        ("openai", {"model": "gpt-6-luna", "api_key": "k"}, "openai/gpt-6-luna", "https://api.openai.com/v1", None),
        (
            "openrouter",
            {"model": "typesafe/jev", "api_key": "k"},
            "openrouter/typesafe/jev",
            "https://openrouter.ai/api",
            None,
        ),
        (
            "openai_compatible",
            {"model": "m", "api_key": "k", "api_base": "https://h/v1"},
            "openai/m",
            "https://h/v1",
            "openai",
        ),
        ("litellm_proxy", {"model": "m", "api_key": "k", "api_base": "https://h"}, "openai/m", "https://h", "openai"),
        ("strands_decider", {"model": "m", "api_base": "https://h"}, "strands_decider/m", "https://h", None),
        (
            "cloudflare",
            {"model": "clef", "api_key": "k", "account_id": "A" * 32},
            "cloudflare/clef",
            f"https://api.cloudflare.com/client/v4/accounts/{'A' * 32}/ai/run",
            None,
        ),
        (
            "cloudflare",
            {"model": "clef", "api_key": "k", "api_base": "https://h"},
            "cloudflare/clef",
            "https://h",
            None,
        ),
    ],
)
def test_decision_goes_where_its_provider_is(
    provider: str, options: dict[str, str], model: str, api_base: str, custom: str | None
) -> None:
    request = params(provider, **options, temperature=0.5, max_tokens=5)

    sent = request.arguments
    assert (sent["model"], sent["api_base"], sent.get("custom_llm_provider")) == (model, api_base, custom)
    assert sent["api_key"] == options.get("api_key", NO_KEY)
    assert {"temperature", "max_tokens", "num_retries"}.isdisjoint(sent)
    assert request.target.operation is Operation.DECISIONS


@pytest.mark.parametrize(
    ("provider", "options", "words"),
    [
        ("openai", {"api_key": "k"}, "Missing: model"),
        ("openai", {"model": "m"}, "Missing: api_key"),
        ("openai_compatible", {"model": "m", "api_key": "k"}, "Missing: api_base"),
        ("strands_decider", {"model": "m"}, "Missing: api_base"),
        ("cloudflare", {"model": "m", "api_key": "k"}, "Missing: account_id"),
        ("cloudflare", {"model": "m", "api_key": "k", "account_id": "../x"}, "32 hexadecimal"),
        ("cloudflare", {"model": "m", "api_key": "k", "account_id": 5}, "32 hexadecimal"),
        ("openai", {"model": "m", "api_key": "k", "api_base": "https://h/v1/decisions/"}, "leave that part"),
        ("nace", {"model": "m"}, "Missing: api_key"),
    ],
)
def test_configuration_that_cannot_be_asked_is_told(provider: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        params(provider, **options)


def test_listed_providers_are_those_of_the_reference() -> None:
    assert set(DECISION_PROVIDERS) == {
        "typesafe",
        "cloudflare",
        "perplexity",
        "openai",
        "openrouter",
        "strands_decider",
        "litellm_proxy",
        "openai_compatible",
    }
    assert decision_options("openai", {"model": "m", "api_key": "k"})["api_base"] == "https://api.openai.com/v1"


def test_decisions_of_a_model_that_chats_too_have_prices_of_their_own() -> None:
    entry = {
        "litellm_provider": "openai",
        "input_cost_per_token": 2e-6,
        "input_cost_per_token_decisions": 1e-6,
        "output_cost_per_token": 5e-6,
        "output_cost_per_token_decisions": 0.0,
    }
    prices = PriceMap(lambda key: entry if key == "gpt-6-luna" else None, lambda: "test")

    asked = params("openai", model="gpt-6-luna", api_key="k").target
    price = prices.price_of(asked, ResponseFacts(), datetime(2026, 11, 1, tzinfo=UTC))

    assert price is not None
    assert price.unit_prices[TokenClass.INPUT] == Decimal("0.000001")
    assert price.unit_prices[TokenClass.OUTPUT] == 0
