"""What existing admin UIs do, request by request: the statuses and shapes that they count on, bare and in a host's own wrapping."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from rest_framework.test import APIClient
from rest_framework.views import APIView

from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from example.stub_provider import StubProvider, directive
from tests.contract.hosts import CamelCaseParser, WrappingRenderer, camelised
from tests.django.conftest import _fresh_meter, _no_dns, _running_stub, stub
from tests.django.factories import KEY, make_usage, make_user

__all__ = ["_fresh_meter", "_no_dns", "_running_stub", "stub"]

pytestmark = pytest.mark.django_db

PREFIX = "/api/v1/admin/"
NUMBER, TEXT, FLAG = (int, float), str, bool
NULL = type(None)
Shape = dict[str, Any]

CONFIG: Shape = {"id": int, "uuid": TEXT, "scope": TEXT, "user": (int, NULL), "model_type": TEXT, "provider": TEXT, "config": dict, "is_active": FLAG, "is_default": FLAG, "created_at": TEXT, "updated_at": TEXT}  # fmt: skip
SUMS: Shape = {"total_prompt_tokens": int, "total_completion_tokens": int, "total_tokens": int, "total_cached_tokens": int, "total_reasoning_tokens": int, "total_cost": NUMBER}  # fmt: skip
TOTALS: Shape = {**SUMS, "total_cost_currency": TEXT, "total_calls": int, "priced_calls": int, "unpriced_calls": int, "cost_status": TEXT}  # fmt: skip
SUMMARY: Shape = {**TOTALS, "successful_calls": int, "failed_calls": int}
MODEL: Shape = {**TOTALS, "model": TEXT}
BUCKET: Shape = {**SUMS, "bucket": TEXT, "total_calls": int}
MODEL_BUCKET: Shape = {"bucket": TEXT, "model": TEXT, "call_count": int, "success_count": int, "avg_e2e_latency_sec": (*NUMBER, NULL), "avg_ttft_sec": (*NUMBER, NULL), "avg_output_tps": (*NUMBER, NULL), "total_tokens": int, "total_cost": (*NUMBER, NULL), "cost_currency": TEXT}  # fmt: skip
USAGE: Shape = {"id": TEXT, "user_id": int, "username": TEXT, "model": TEXT, "prompt_tokens": int, "completion_tokens": int, "total_tokens": int, "cached_tokens": int, "reasoning_tokens": int, "cost": (*NUMBER, NULL), "cost_currency": TEXT, "success": FLAG, "error": (TEXT, NULL), "created_at": TEXT, "started_at": (TEXT, NULL), "e2e_latency_sec": (*NUMBER, NULL), "latency_sec": (*NUMBER, NULL), "output_tps": (*NUMBER, NULL), "metadata": dict}  # fmt: skip
POLICY: Shape = {"retention_days": int, "cleanup_enabled": FLAG, "cleanup_crontab": TEXT, "aggregation_crontab": TEXT}
PROVIDER: Shape = {"required": list, "optional": list, "editable_params": list, "default_model": (TEXT, NULL), "default_api_base": (TEXT, NULL), "default_temperature": NUMBER, "default_top_p": NUMBER, "default_max_tokens": int, "default_num_retries": int}  # fmt: skip
CALL_USAGE: Shape = {"model": TEXT, "prompt_tokens": int, "completion_tokens": int, "total_tokens": int, "cached_tokens": int, "reasoning_tokens": int, "cost": (*NUMBER, NULL), "cost_currency": TEXT}  # fmt: skip


@dataclass(frozen=True, slots=True)
class UI:
    """A UI's client: it sends JSON and takes the answer out of the host's wrapping, if there is one."""

    client: APIClient
    is_wrapped: bool

    def ask(self, method: str, path: str, body: Any = None, **params: Any) -> tuple[int, Any]:
        """Status and data."""
        response = self.send(method, path, body, **params)
        if response.status_code == 204:
            return 204, None
        data = response.json()
        if not self.is_wrapped:
            return response.status_code, data
        assert data.keys() == {"code", "message", "data"}
        return response.status_code, data["data"]

    def send(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """The whole response."""
        if method == "get":
            return self.client.get(PREFIX + path, params)
        sent = camelised(body) if self.is_wrapped else body
        return getattr(self.client, method)(PREFIX + path, sent, format="json")


@pytest.fixture(params=["bare", "wrapped"])
def ui(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, db: None) -> UI:
    is_wrapped = request.param == "wrapped"
    if is_wrapped:
        monkeypatch.setattr(APIView, "renderer_classes", [WrappingRenderer])
        monkeypatch.setattr(APIView, "parser_classes", [CamelCaseParser])
    client = APIClient()
    client.force_authenticate(make_user("admin", is_staff=True))
    return UI(client, is_wrapped)


def options(stub: StubProvider, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "api_key": KEY, "api_base": stub.api_base(), "num_retries": 0, **more}


def has_shape(found: Any, shape: Shape) -> bool:
    """Every key is there with a value of its type; what newer releases add is not in the way."""
    wrong = {key: found.get(key, "absent") for key, kind in shape.items() if not _is(found.get(key, ...), kind)}
    assert wrong == {}
    return True


def _is(value: Any, kind: Any) -> bool:
    # In Python a bool is an int, in JSON it is none.
    return isinstance(value, kind) and (kind is FLAG or not isinstance(value, bool))


def events_of(response: Any) -> list[dict[str, Any]]:
    blocks = response.getvalue().decode("ascii").split("\n\n")
    assert blocks.pop() == ""
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def test_configuration_is_made_shown_changed_toggled_and_deleted(ui: UI, stub: StubProvider) -> None:
    assert ui.ask("get", "llm-config/") == (200, [])

    # The form, with the providers and models that it offers.
    status, made = ui.ask("post", "llm-config/", {"provider": "openai", "config": options(stub), "is_active": True})
    assert status == 201
    assert has_shape(made, CONFIG)
    assert (made["scope"], made["user"], made["model_type"], made["is_default"]) == ("global", None, "llm", True)
    assert "user_id" not in made
    assert made["created_at"].endswith("Z")
    uuid, shown = made["uuid"], made["config"]
    assert "***" in shown["api_key"]
    assert KEY not in json.dumps(made)

    # Lists, and the row by uuid and by its older number.
    assert ui.ask("get", "llm-config/") == (200, [made])
    assert ui.ask("get", "llm-config/all/") == (200, [made])
    assert ui.ask("get", "llm-config/all/", scope="global") == (200, [made])
    assert ui.ask("get", "llm-config/all/", scope="user") == (200, [])
    assert ui.ask("get", f"llm-config/{uuid}/") == (200, made)
    assert ui.ask("get", f"llm-config/{made['id']}/") == (200, made)

    # Edit, with the masked key as the form got it.
    status, changed = ui.ask(
        "put", f"llm-config/{uuid}/", {"provider": "openai", "config": {**shown, "temperature": 0.2}}
    )
    assert (status, changed["config"]) == (200, {**shown, "temperature": 0.2})
    assert LLMConfig.objects.get().config["api_key"] == KEY

    # The switch in the list sends the whole row again.
    for is_active in (False, True):
        status, toggled = ui.ask("put", f"llm-config/{uuid}/", {**changed, "is_active": is_active})
        assert (status, toggled["is_active"], toggled["config"]) == (200, is_active, changed["config"])
    assert LLMConfig.objects.get().config["api_key"] == KEY

    # And a new key replaces the stored one.
    assert ui.ask("put", f"llm-config/{uuid}/", {"config": {"api_key": "another-key-0815"}})[0] == 200
    assert LLMConfig.objects.get().config["api_key"] == "another-key-0815"

    assert ui.ask("delete", f"llm-config/{uuid}/") == (204, None)
    assert ui.ask("get", f"llm-config/{uuid}/") == (404, {"detail": "Not found."})
    assert ui.ask("delete", f"llm-config/{uuid}/")[0] == 404


def test_default_is_switched_from_one_to_the_other(ui: UI, stub: StubProvider) -> None:
    (_, first), (_, second) = (
        ui.ask("post", "llm-config/", {"provider": "openai", "config": options(stub, model=model)})
        for model in ("gpt-4o-mini", "gpt-4o")
    )
    assert [row["is_default"] for row in ui.ask("get", "llm-config/")[1]] == [True, False]

    status, switched = ui.ask("put", f"llm-config/{second['uuid']}/", {**second, "is_default": True})

    assert (status, switched["is_default"]) == (200, True)
    listed = {row["uuid"]: row["is_default"] for row in ui.ask("get", "llm-config/")[1]}
    assert listed == {first["uuid"]: False, second["uuid"]: True}


def test_configuration_of_a_user_is_set_listed_and_deleted(ui: UI, stub: StubProvider) -> None:
    alice = make_user("alice")
    path = f"llm-config/users/{alice.pk}/"
    assert ui.ask("get", path) == (404, {"detail": "No LLM config for this user. Use PUT to create."})
    assert ui.ask("delete", path) == (404, {"detail": "No user config to delete."})
    assert ui.ask("get", "llm-config/users/4711/") == (404, {"detail": "User not found."})

    status, made = ui.ask("put", path, {"provider": "openai", "config": options(stub)})

    assert status == 200
    assert has_shape(made, {**CONFIG, "user": int, "user_id": int, "username": TEXT})
    assert (made["scope"], made["user_id"], made["username"]) == ("user", alice.pk, "alice")
    assert ui.ask("get", "llm-config/users/", user_id=alice.pk) == (200, [made])
    assert ui.ask("get", "llm-config/all/", scope="user", user_id=alice.pk) == (200, [made])
    body = {"scope": "user", "user_id": alice.pk, "provider": "openai", "config": options(stub)}
    assert ui.ask("post", "llm-config/", body)[0] == 201
    assert ui.ask("get", path)[0] == 409
    assert ui.ask("put", path, made)[0] == 409
    assert ui.ask("delete", path) == (204, None)
    assert ui.ask("get", "llm-config/all/") == (200, [])


def test_users_are_all_there_whatever_page_size_is_asked_for(ui: UI) -> None:
    make_user("alice")

    status, users = ui.ask("get", "users/", page_size=200)

    assert (status, [user["username"] for user in users]) == (200, ["admin", "alice"])
    assert [set(user) for user in users] == [{"id", "username"}] * 2


def test_form_is_offered_providers_and_models(ui: UI) -> None:
    status, providers = ui.ask("get", "llm-config/providers/")
    assert (status, set(providers)) == (200, {"providers"})
    assert all(has_shape(provider, PROVIDER) for provider in providers["providers"].values())

    status, models = ui.ask("get", "llm-config/models/")
    assert (status, set(models)) == (200, {"providers", "capability_labels"})
    for provider in models["providers"]:
        assert has_shape(provider, {"id": TEXT, "label": TEXT, "models": list, "default_api_base": (TEXT, NULL)})
        for model in provider["models"]:
            assert has_shape(model, {"id": TEXT, "label": TEXT, "capabilities": list, "mode": TEXT})


def test_form_is_tested_with_a_typed_and_with_a_masked_key(ui: UI, stub: StubProvider) -> None:
    form = {"provider": "openai", "config": options(stub)}
    assert ui.ask("post", "llm-config/test/", form) == (200, {"ok": True})
    _, made = ui.ask("post", "llm-config/", form)

    masked = {"provider": "openai", "config": made["config"], "config_uuid": made["uuid"]}
    assert ui.ask("post", "llm-config/test/", masked) == (200, {"ok": True})

    status, missing = ui.ask("post", "llm-config/test/", {"provider": "openai", "config": {}})
    assert (status, missing["ok"], type(missing["detail"])) == (200, False, str)
    status, wrong = ui.ask("post", "llm-config/test/", {"config": []})
    assert (status, wrong["ok"], set(wrong["detail"])) == (400, False, {"provider", "config"})
    assert [row.node_name for row in LLMUsage.objects.all()] == ["config_test"] * 2


def test_prompt_is_tried_and_answered_whole(ui: UI, stub: StubProvider) -> None:
    _, made = ui.ask("post", "llm-config/", {"provider": "openai", "config": options(stub)})
    body = {"config_uuid": made["uuid"], "prompt": directive(in_=7, out=5, text="Hi there"), "max_tokens": 64}

    status, answer = ui.ask("post", "llm-config/test-call/", body)

    assert (status, answer["ok"], answer["content"]) == (200, True, "Hi there")
    assert has_shape(answer["usage"], CALL_USAGE)
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (7, 5)
    by_number = {**body, "config_id": made["id"]}
    del by_number["config_uuid"]
    assert ui.ask("post", "llm-config/test-call/", by_number)[1]["ok"] is True
    status, refused = ui.ask("post", "llm-config/test-call/", {**body, "prompt": directive(status=401)})
    assert (status, refused["ok"], type(refused["detail"])) == (200, False, str)
    status, gone = ui.ask("post", "llm-config/test-call/", {**body, "config_uuid": "0" * 32})
    assert (status, gone["ok"], gone["detail"]) == (200, False, "Config not found")
    status, blank = ui.ask("post", "llm-config/test-call/", {"prompt": " ", "max_tokens": 0})
    assert (status, blank["ok"], set(blank["detail"])) == (400, False, {"prompt", "max_tokens"})
    status, neither = ui.ask("post", "llm-config/test-call/", {"prompt": "Hi"})
    assert (status, set(neither["detail"])) == (400, {"non_field_errors"})


@pytest.mark.parametrize("is_failing", [False, True], ids=["answered", "refused"])
def test_prompt_is_tried_and_streamed_past_any_wrapping(ui: UI, stub: StubProvider, is_failing: bool) -> None:
    _, made = ui.ask("post", "llm-config/", {"provider": "openai", "config": options(stub)})
    prompt = directive(status=401) if is_failing else directive(in_=7, out=5, text="Hi there", chunks=4)

    response = ui.send("post", "llm-config/test-call/", {"config_uuid": made["uuid"], "prompt": prompt, "stream": True})

    assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream")
    assert (response["Cache-Control"], response["X-Accel-Buffering"]) == ("no-cache", "no")
    *texts, done = events_of(response)
    assert {event["type"] for event in texts} <= {"reasoning", "content"}
    assert (done["type"], done["ok"]) == ("done", not is_failing)
    if is_failing:
        assert (texts, type(done["detail"])) == ([], str)
    else:
        assert "".join(event["content"] for event in texts) == "Hi there"
        assert has_shape(done["usage"], CALL_USAGE)


@pytest.mark.parametrize(
    ("granularity", "start", "end", "buckets", "first"),
    [
        ("day", "2026-02-21", "2026-02-21", 24, "2026-02-21T00:00:00+00:00"),
        ("month", "2026-02-01", "2026-02-28", 28, "2026-02-01"),
        ("year", "2026-01-01", "2026-12-31", 12, "2026-01-01T00:00:00+00:00"),
    ],
)
def test_charts_get_totals_and_both_series(
    ui: UI, granularity: str, start: str, end: str, buckets: int, first: str
) -> None:
    make_usage(user=make_user("alice"))
    period = {"start_date": start, "end_date": end, "granularity": granularity}

    status, stats = ui.ask("get", "token-stats/", **period, use_series="1")

    assert status == 200
    assert set(stats) == {"summary", "by_model", "series", "expected_buckets", "series_by_model"}
    assert has_shape(stats["summary"], SUMMARY)
    assert all(has_shape(row, MODEL) for row in stats["by_model"])
    assert all(has_shape(row, BUCKET) for row in stats["series"]["items"])
    assert all(has_shape(row, MODEL_BUCKET) for row in stats["series_by_model"])
    assert (stats["series"]["granularity"], len(stats["series"]["items"])) == (granularity, buckets)
    assert (len(stats["expected_buckets"]), stats["series"]["items"][0]["bucket"]) == (buckets, first)
    assert "series_by_model" not in ui.ask("get", "token-stats/", **period)[1]
    plain = ui.ask("get", "token-stats/")[1]
    assert (plain["series"], plain["expected_buckets"]) == (None, None)
    assert ui.ask("get", "token-stats/", granularity="hour") == (
        400,
        {"detail": "Unsupported granularity. Use one of: day, month, year."},
    )


def test_table_of_usage_is_paged_and_filtered(ui: UI) -> None:
    alice = make_user("alice")
    make_usage(user=alice)
    make_usage(user=alice, model="other", success=False, error="no")

    status, page = ui.ask("get", "llm-usage/", page="1", page_size="20", model="GPT", success="true", user_id=alice.pk)

    assert (status, set(page)) == (200, {"results", "total", "page", "page_size"})
    assert (page["total"], page["page"], page["page_size"]) == (1, 1, 20)
    assert has_shape(page["results"][0], USAGE)
    assert ui.ask("get", "llm-usage/", page="nope", page_size="1000")[1]["page_size"] == 100


def test_retention_and_schedules_are_shown_and_changed_in_part(ui: UI) -> None:
    status, policy = ui.ask("get", "metering-config/")
    assert (status, set(policy)) == (200, set(POLICY))
    assert has_shape(policy, POLICY)

    assert ui.ask("patch", "metering-config/", {"retention_days": 30}) == (200, {**policy, "retention_days": 30})
    assert ui.ask("patch", "metering-config/", {"unknown": 1}) == (200, {**policy, "retention_days": 30})
    assert ui.ask("patch", "metering-config/", {"retention_days": 5, "cleanup_crontab": "bad"}) == (
        400,
        {"cleanup_crontab": "Invalid 5-field cron expression."},
    )
    assert ui.ask("get", "metering-config/")[1]["retention_days"] == 30


def test_somebody_else_is_kept_out_of_every_part(ui: UI) -> None:
    for user, statuses in ((None, {401, 403}), (make_user("alice"), {403})):
        ui.client.force_authenticate(user)
        for path in ("llm-config/", "llm-config/all/", "users/", "token-stats/", "llm-usage/", "metering-config/"):
            status, data = ui.ask("get", path)
            assert status in statuses
            assert set(data) == {"detail"}
