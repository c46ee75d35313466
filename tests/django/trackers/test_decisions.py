"""Decisions over real LiteLLM and real sockets: answers in order, one row for each request, three traces that agree."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import litellm
import pytest

from agentcore_metering.adapters import django as front
from agentcore_metering.adapters.django import DecisionTracker, runtime
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from agentcore_metering.core.errors import (
    ConfigError,
    ConfigNotFound,
    EndpointRefused,
    InvalidJSON,
    MissingExtra,
    RequestError,
)
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider, directive
from tests.django.builders import KEY, make_stub_config, make_user
from tests.django.trackers.operation_cases import run
from tests.django.trackers.test_llm import assert_three_traces_agree
from tests.telemetry.recording import RecordedTelemetry

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not hasattr(litellm, "decisions"), reason="this LiteLLM has no decisions()"),
]

QUESTIONS = [
    {"type": "predicate", "name": "urgent", "instructions": "Is it urgent?"},
    {
        "type": "choice",
        "name": "team",
        "instructions": "Whose is it?",
        "choices": [{"value": "billing", "description": "money"}, {"value": "support"}],
    },
    {
        "type": "score",
        "instructions": "How angry?",
        "levels": [{"label": "calm"}, {"label": "upset"}, {"label": "mad"}],
    },
]
TEXT = directive(in_=7, out=2, text="The invoice is wrong")
USAGE_KEYS = {
    "model",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "cost_currency",
}


def make_decision_config(stub: StubProvider, **fields: Any) -> LLMConfig:
    options = {"num_retries": 0, **fields.pop("config", {})}
    fields = {"model_type": "decision", **fields}
    return make_stub_config(stub, fields.pop("provider", "openai"), "gpt-6-luna", config=options, **fields)


def form(stub: StubProvider, **config: Any) -> dict[str, Any]:
    options = {"model": "gpt-6-luna", "api_key": KEY, "api_base": stub.api_base(), "num_retries": 0, **config}
    return {"provider": "openai", "config": options}


def chat(answers: list[Any], **more: Any) -> str:
    return directive(text=json.dumps({"answers": answers}), **more)


def ask(row: LLMConfig | None, text: str = TEXT, *, mode: str = "sync", **more: Any) -> Any:
    given = {"input": text, "questions": QUESTIONS, "model_uuid": None if row is None else row.uuid, **more}
    if mode == "sync":
        return DecisionTracker.call_and_track(**given)
    return run(lambda: DecisionTracker.acall_and_track(**given))


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_answers_come_in_order_and_are_metered(stub: StubProvider, telemetry: RecordedTelemetry, mode: str) -> None:
    row = make_decision_config(stub)
    state: dict[str, Any] = {"node_name": "triage", "metadata": {"run": "r-1", "endpoint": "mine"}}

    answers, usage = ask(row, mode=mode, state=state)
    runtime.flush(10)

    assert [(answer["type"], answer["name"]) for answer in answers] == [
        ("predicate", "urgent"),
        ("choice", "team"),
        ("score", None),
    ]
    assert (answers[0]["probability"], answers[1]["choice"], answers[2]["score"]) == (0.75, "billing", 1.0)
    assert {item["value"]: item["probability"] for item in answers[1]["probabilities"]} == {
        "billing": 0.75,
        "support": 0.25,
    }
    json.dumps([answers, usage])
    found = LLMUsage.objects.get()
    assert (found.operation, found.status, found.node_name, found.config_uuid, found.model) == (
        "decisions",
        "succeeded",
        "triage",
        row.uuid,
        "openai/gpt-6-luna",
    )
    assert (found.prompt_tokens, found.completion_tokens) == (7, 2)
    assert (
        found.metadata.items()
        >= {
            "run": "r-1",
            "model_type": "decision",
            "endpoint": "decisions",
            "question_count": 3,
            "config_uuid": str(row.uuid),
        }.items()
    )
    assert set(usage) == USAGE_KEYS
    assert usage["cost"] == pytest.approx(float(found.cost))
    assert len(state["llm_calls"]) == len(stub.requests) == 1
    [span] = [span for span in telemetry.spans if semconv.CALL_ID in (span.attributes or {})]
    assert span.name == "decisions gpt-6-luna"
    assert (span.attributes or {})[semconv.OUTPUT_TYPE] == "json"
    assert_three_traces_agree(telemetry)


def test_provider_is_sent_text_and_questions_and_nothing_else(stub: StubProvider) -> None:
    row = make_decision_config(stub, config={"temperature": 0.5, "max_tokens": 5, "fallback_model_uuid": "x"})

    ask(row, state={"user_id": make_user().pk, "litellm_metadata": {"session_id": "s"}}, reasoning_effort="low")

    [request] = stub.requests
    assert request.path == "/v1/decisions"
    assert request.body == {"model": "gpt-6-luna", "input": TEXT, "questions": QUESTIONS}


@pytest.mark.parametrize("provider", ["openai_compatible", "litellm_proxy"])
def test_gateways_are_asked_in_openais_format_and_charged_no_list_price(stub: StubProvider, provider: str) -> None:
    row = make_decision_config(stub, provider=provider)

    answers, _usage = ask(row)

    assert len(answers) == 3
    assert stub.requests[0].path == "/v1/decisions"
    found = LLMUsage.objects.get()
    assert (found.cost, found.provider) == (None, provider)


def test_price_of_a_decision_is_its_own(stub: StubProvider) -> None:
    entry = litellm.model_cost.get("gpt-6-luna", {})
    if "output_cost_per_token_decisions" not in entry:
        pytest.skip("this LiteLLM's map has no price of its own for decisions of gpt-6-luna")
    row = make_decision_config(stub)

    _answers, usage = ask(row, directive(in_=1000, out=1000))

    rate = entry["input_cost_per_token_decisions"], entry["output_cost_per_token_decisions"]
    assert usage["cost"] == pytest.approx(1000 * sum(rate))


def test_refusal_is_an_answer(stub: StubProvider) -> None:
    row = make_decision_config(stub)

    answers, _usage = ask(row, directive(finish="content_filter"))

    assert answers == [{"type": "refusal", "name": question.get("name")} for question in QUESTIONS]
    assert LLMUsage.objects.get().success


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_server_error_is_tried_again_within_one_deadline(
    stub: StubProvider, telemetry: RecordedTelemetry, mode: str
) -> None:
    row = make_decision_config(stub, config={"num_retries": 1})

    answers, _usage = ask(row, directive(fail_times=1, status=503, retry_after=0, key=f"decision-{mode}"), mode=mode)
    runtime.flush(10)

    assert len(answers) == 3
    rows = LLMUsage.objects.order_by("attempt")
    assert [found.status for found in rows] == ["failed", "succeeded"]
    assert_three_traces_agree(telemetry)


def test_providers_refusal_of_the_key_passes_through_and_is_a_row(stub: StubProvider) -> None:
    row = make_decision_config(stub)

    with pytest.raises(litellm.AuthenticationError) as raised:
        ask(row, directive(status=401, echo_key=1))

    assert KEY not in str(raised.value)
    found = LLMUsage.objects.get()
    assert (found.status, found.error_type, found.model) == ("failed", "AuthenticationError", "openai/gpt-6-luna")


def test_answers_to_other_questions_are_no_answers_and_are_billed(stub: StubProvider) -> None:
    row = make_decision_config(stub)
    told = json.dumps([{"type": "predicate", "name": "urgent", "probability": 7}])

    with pytest.raises(InvalidJSON, match=r"^\[triage\]"):
        DecisionTracker.call_and_track(
            input=directive(in_=7, out=2, text=told),
            questions=QUESTIONS[:1],
            model_uuid=row.uuid,
            state={"node_name": "triage"},
        )

    found = LLMUsage.objects.get()
    assert (found.status, found.prompt_tokens) == ("failed", 7)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"input": " "}, "input"), ({"questions": []}, "1 to 128"), ({"questions": [{"type": "box"}]}, "Question 1")],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_looked_up(
    given: dict[str, Any], words: str, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0), pytest.raises(RequestError, match=words):
        ask(None, **given)


# --- which configuration


def test_configuration_of_another_type_or_user_is_not_found(stub: StubProvider) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    hers = make_decision_config(stub, user=alice)
    llm = make_stub_config(stub)

    for row, user in ((llm, None), (hers, bob)):
        with pytest.raises(ConfigNotFound):
            ask(row, state={"user_id": user.pk} if user else None)
    with pytest.raises(ConfigNotFound):
        DecisionTracker.call_and_track(input="a", questions=QUESTIONS, model_uuid=UUID(int=1))
    assert ask(hers, state={"user_id": alice.pk})[0]


def test_without_a_uuid_the_users_and_then_the_global_one_is_asked(stub: StubProvider) -> None:
    alice = make_user("alice")
    everybodys = make_decision_config(stub)
    ask(None, state={"user_id": alice.pk})
    hers = make_decision_config(stub, user=alice)
    ask(None, state={"user_id": alice.pk})

    assert [row.config_uuid for row in LLMUsage.objects.order_by("created_at")] == [everybodys.uuid, hers.uuid]


# --- call_with_config


def test_configuration_that_is_not_stored_can_be_asked(stub: StubProvider) -> None:
    uuid = UUID(int=7)

    answers, _usage = DecisionTracker.call_with_config(
        **form(stub), input=TEXT, questions=QUESTIONS, config_uuid=str(uuid)
    )

    assert len(answers) == 3
    found = LLMUsage.objects.get()
    assert (found.config_uuid, found.metadata["config_uuid"]) == (uuid, str(uuid))


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"model": None}, ConfigError),
        ({"api_key": ""}, ConfigError),
        ({"api_base": "http://169.254.169.254/v1"}, EndpointRefused),
        ({"num_retries": 11}, ConfigError),
    ],
)
def test_configuration_that_cannot_be_used_sends_nothing(
    stub: StubProvider, config: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        DecisionTracker.call_with_config(**form(stub, **config), input=TEXT, questions=QUESTIONS)

    assert stub.requests == ()
    assert not LLMUsage.objects.exists()


def test_model_type_that_cannot_decide_is_refused(stub: StubProvider) -> None:
    with pytest.raises(RequestError, match="embedding"):
        DecisionTracker.call_with_config(**form(stub), input=TEXT, questions=QUESTIONS, model_type="embedding")


# --- a chat model in the place of a decision model

SURE = {"type": "predicate", "name": "urgent", "probability": 0.25}


@pytest.fixture
def said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is the message: inside of JSON the stub would not know its directive."""
    monkeypatch.setattr(
        "agentcore_metering.adapters.django.trackers.decision.chat_messages",
        lambda text, _questions: [{"role": "user", "content": text}],
    )


def ask_chat(stub: StubProvider, text: str, questions: Any = QUESTIONS[:1], **more: Any) -> Any:
    config = form(stub, model="gpt-4o-mini")
    return DecisionTracker.call_with_config(**config, input=text, questions=questions, model_type="llm", **more)


def test_chat_model_answers_in_json_mode(stub: StubProvider, telemetry: RecordedTelemetry, said_plainly: None) -> None:
    answers, usage = ask_chat(stub, chat([SURE], in_=20, out=9))
    runtime.flush(10)

    assert answers == [SURE]
    [request] = stub.requests
    assert request.path == "/v1/chat/completions"
    assert request.body["response_format"] == {"type": "json_object"}
    assert "reasoning_effort" not in request.body
    found = LLMUsage.objects.get()
    assert (found.operation, found.metadata["endpoint"], found.metadata["model_type"]) == ("chat", "chat", "llm")
    assert (usage["prompt_tokens"], found.prompt_tokens) == (20, 20)
    assert_three_traces_agree(telemetry)


def test_chat_model_is_asked_again_for_answers_that_can_be_read(stub: StubProvider, said_plainly: None) -> None:
    answers, _usage = ask_chat(stub, chat([SURE], bad_json_times=1, key="decision-chat"))

    assert answers == [SURE]
    assert [row.status for row in LLMUsage.objects.order_by("attempt")] == ["failed", "succeeded"]


def test_chat_model_that_never_answers_is_given_up(stub: StubProvider) -> None:
    with pytest.raises(InvalidJSON):
        ask_chat(stub, "What the stub says to this is no answer", reasoning_effort="low")

    assert len(stub.requests) == 3
    asked = stub.requests[0].body
    assert json.loads(asked["messages"][1]["content"])["questions"] == QUESTIONS[:1]
    assert {row.status for row in LLMUsage.objects.all()} == {"failed"}


def test_chat_model_whose_answer_is_held_back_has_refused(stub: StubProvider, said_plainly: None) -> None:
    answers, _usage = ask_chat(stub, directive(text="No.", finish="content_filter"))

    assert answers == [{"type": "refusal", "name": "urgent"}]


# --- the name, and LiteLLM without the function


def test_name_is_looked_up_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    home = sys.modules["agentcore_metering.adapters.django.trackers.decision"]
    stand_in = object()
    monkeypatch.setattr(home, "DecisionTracker", stand_in)

    assert front.DecisionTracker is stand_in
    assert "DecisionTracker" in dir(front)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_litellm_without_decisions_is_told(stub: StubProvider, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    row = make_decision_config(stub)
    monkeypatch.delattr(litellm, "decisions")
    monkeypatch.delattr(litellm, "adecisions")

    with pytest.raises(MissingExtra, match=r"decisions\(\)"):
        ask(row, mode=mode)


def test_older_path_hands_on_to_it() -> None:
    from agentcore_metering.adapters.django.services import decisions

    assert decisions.DecisionTracker is DecisionTracker
    check: Callable[[Any], None] = decisions.validate_questions
    check(QUESTIONS)
    with pytest.raises(ValueError, match="Question 1"):
        check([{"type": "box"}])
