"""Configurations in the admin: what is typed is what is stored, errors stand beside their fields, and no page has a secret."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import litellm
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from agentcore_metering.adapters.django.models import LLMConfig, LLMConfigChange, LLMUsage
from agentcore_metering.adapters.django.runtime import flush
from agentcore_metering.core.errors import InvalidField
from example.stub_provider import StubProvider
from tests.django.admin.pages import KEY, client_of, messages_of, text_of, url
from tests.django.builders import make_stub_config, make_user
from tests.telemetry.recording import RecordedTelemetry

pytestmark = pytest.mark.django_db

NEW_KEY = "another-key-of-nobody-0815-just-typed"


def form(**fields: Any) -> dict[str, Any]:
    """What a browser sends for a new global configuration of OpenAI."""
    filled = {"scope": "global", "provider": "openai", "model_type": "llm", "is_active": "on", "api_key": KEY}
    return {name: value for name, value in {**filled, **fields}.items() if value is not None}


def change_form(row: LLMConfig, client: Client, **fields: Any) -> dict[str, Any]:
    """What a browser sends for the page of `row` when only `fields` are touched."""
    page = client.get(url("llmconfig", "change", row.pk))
    bound = page.context["adminform"].form
    sent = {name: bound[name].value() for name in bound.fields if name in page.content.decode()}
    filled = {name: "on" if value is True else value for name, value in sent.items() if value not in (None, False)}
    return {name: value for name, value in {**filled, **fields}.items() if value is not None}


def errors_of(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200, "the form was accepted"
    errors = response.context["adminform"].form.errors
    return {name: [str(text) for text in texts] for name, texts in errors.items()}


def make_config(**config: Any) -> LLMConfig:
    options = {"model": "gpt-4o-mini", "api_key": KEY, **config}
    return LLMConfig.objects.create(scope="global", provider="openai", config=options)


def test_a_new_configuration_is_stored_as_typed(admin: Client) -> None:
    sent = form(
        model="gpt-4o",
        temperature="0.5",
        max_tokens="100",
        num_retries="2",
        request_timeout_seconds="30",
        other_options='{"extra_headers": {"X-Team": "a"}, "seed": 7}',
    )

    response = admin.post(url("llmconfig", "add"), sent)

    row = LLMConfig.objects.get()
    assert response.status_code == 302
    assert (row.scope, row.user_id, row.provider, row.model_type) == ("global", None, "openai", "llm")
    assert row.config == {
        "model": "gpt-4o",
        "api_key": KEY,
        "temperature": 0.5,
        "max_tokens": 100,
        "num_retries": 2,
        "request_timeout_seconds": 30,
        "extra_headers": {"X-Team": "a"},
        "seed": 7,
    }


def test_a_new_configuration_of_a_user_is_his(admin: Client) -> None:
    alice = make_user()

    admin.post(url("llmconfig", "add"), form(scope="user", user=str(alice.pk)))

    assert LLMConfig.objects.get().user == alice


def test_a_provider_that_is_not_listed_is_typed(admin: Client) -> None:
    admin.post(url("llmconfig", "add"), form(provider="other", other_provider=" Groq "))

    row = LLMConfig.objects.get()
    assert row.provider == "groq"
    assert "groq (LiteLLM)" in admin.get(url("llmconfig", "change", row.pk)).content.decode()


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ({"scope": "user"}, "user", "whose"),
        ({"scope": "user", "user": "4711"}, "user", "valid choice"),
        ({"api_key": ""}, "api_key", "OpenAI needs this"),
        ({"provider": "azure_openai"}, "api_base", "Azure OpenAI needs this"),
        ({"provider": "nope"}, "provider", "valid choice"),
        ({"provider": "other"}, "other_provider", "LiteLLM's name"),
        ({"api_base": "ftp://x"}, "api_base", "https://"),
        ({"api_key": "***4711"}, "api_key", "mask"),
        ({"temperature": "3"}, "temperature", "less than or equal to 2"),
        ({"temperature": "nan"}, "temperature", "number"),
        ({"num_retries": "11"}, "num_retries", "less than or equal to 10"),
        ({"request_timeout_seconds": "0"}, "request_timeout_seconds", "greater than or equal to 1"),
        ({"other_options": "[1]"}, "other_options", "JSON object"),
        ({"other_options": "{"}, "other_options", "JSON"),
        ({"other_options": '{"api_key": "x"}'}, "other_options", "above: api_key"),
        ({"other_options": '{"extra_headers": 1}'}, "other_options", "extra_headers must be an object"),
        ({"other_options": '{"token": "***"}'}, "other_options", "mask"),
        ({"other_options": '{"__secrets__": "x"}'}, "other_options", "reserved"),
        ({"other_options": "[" * 5000}, "other_options", "JSON"),
        ({"model_type": "nope"}, "model_type", "valid choice"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_told_beside_its_field(admin: Client, fields: dict[str, Any], name: str, words: str) -> None:
    errors = errors_of(admin.post(url("llmconfig", "add"), form(**fields)))

    assert set(errors) == {name}
    assert words in " ".join(errors[name])
    assert not LLMConfig.objects.exists()


def test_only_a_global_configuration_can_be_the_default(admin: Client) -> None:
    sent = form(scope="user", user=str(make_user().pk), is_default="on")

    assert set(errors_of(admin.post(url("llmconfig", "add"), sent))) == {"is_default"}


def test_saving_a_page_as_it_is_changes_nothing(admin: Client) -> None:
    row = make_config(temperature=0.5, extra_headers={"X-Key": KEY}, aws_secret_access_key=KEY, seed=7, vision=True)
    before = LLMConfig.objects.get()

    response = admin.post(url("llmconfig", "change", row.pk), change_form(row, admin))

    after = LLMConfig.objects.get()
    assert response.status_code == 302
    assert dict(after.config) == dict(before.config)
    assert (after.provider, after.model_type, after.is_active, after.is_default, after.uuid) == (
        before.provider,
        before.model_type,
        before.is_active,
        before.is_default,
        before.uuid,
    )


def test_a_key_is_kept_replaced_and_removed(admin: Client) -> None:
    row = make_config()
    address = url("llmconfig", "change", row.pk)

    admin.post(address, change_form(row, admin, model="gpt-4o"))
    assert LLMConfig.objects.get().config == {"model": "gpt-4o", "api_key": KEY}

    admin.post(address, change_form(row, admin, api_key=NEW_KEY))
    assert LLMConfig.objects.get().config["api_key"] == NEW_KEY

    admin.post(address, change_form(row, admin, clear_api_key="on"))
    assert "api_key" not in LLMConfig.objects.get().config


def test_a_key_cannot_be_entered_and_removed_at_once(admin: Client) -> None:
    row = make_config()

    errors = errors_of(
        admin.post(url("llmconfig", "change", row.pk), change_form(row, admin, api_key=NEW_KEY, clear_api_key="on"))
    )

    assert set(errors) == {"clear_api_key"}


@pytest.mark.parametrize(
    "moved",
    [
        {"api_base": "https://elsewhere.example/v1"},
        {"provider": "mistral"},
        {"model": "anthropic/claude"},
        {"other_options": '{"extra_headers": {"X-Relay": "elsewhere"}}'},
    ],
    ids=str,
)
def test_a_stored_key_is_not_sent_to_another_place(admin: Client, moved: dict[str, str]) -> None:
    row = make_config()
    address = url("llmconfig", "change", row.pk)

    errors = errors_of(admin.post(address, change_form(row, admin, **moved)))

    assert set(errors) == {"api_key"}
    assert LLMConfig.objects.get().config == {"model": "gpt-4o-mini", "api_key": KEY}
    assert admin.post(address, change_form(row, admin, **moved, api_key=NEW_KEY)).status_code == 302
    assert LLMConfig.objects.get().config["api_key"] == NEW_KEY


def test_a_key_that_is_taken_out_of_the_json_is_removed(admin: Client) -> None:
    row = make_config(seed=7, token=KEY)

    admin.post(url("llmconfig", "change", row.pk), change_form(row, admin, other_options='{"seed": 7}'))

    assert LLMConfig.objects.get().config == {"model": "gpt-4o-mini", "api_key": KEY, "seed": 7}


def test_the_default_is_one(admin: Client) -> None:
    first = LLMConfig.objects.create(scope="global", provider="openai", config={"api_key": KEY}, is_default=True)
    second = make_config()

    admin.post(url("llmconfig", "change", second.pk), change_form(second, admin, is_default="on"))

    marks = dict(LLMConfig.objects.values_list("pk", "is_default"))
    assert marks == {first.pk: False, second.pk: True}
    shown = {row.pk: row.gets_calls for row in admin.get(url("llmconfig")).context["cl"].result_list}
    assert shown == {first.pk: False, second.pk: True}


def test_the_owner_of_a_configuration_cannot_be_changed(admin: Client) -> None:
    row = make_config()

    admin.post(url("llmconfig", "change", row.pk), change_form(row, admin, scope="user", user=str(make_user().pk)))

    after = LLMConfig.objects.get()
    assert (after.scope, after.user_id, after.config["api_key"]) == ("global", None, KEY)


def test_secrets_under_a_lost_key_are_asked_for_again(admin: Client, settings: Settings) -> None:
    row = make_config(seed=7)
    settings.SECRET_KEY = "another one, so that what was sealed under the first cannot be opened"
    admin.force_login(get_user_model().objects.get(username="root"))
    address = url("llmconfig", "change", row.pk)

    page = admin.get(address)
    errors = errors_of(admin.post(address, change_form(row, admin)))

    assert "cannot be opened: enter it again" in text_of(page)
    assert "cannot be opened" in text_of(admin.get(url("llmconfig")))
    assert set(errors) == {"api_key"}
    assert admin.post(address, change_form(row, admin, api_key=NEW_KEY)).status_code == 302
    assert LLMConfig.objects.get().config == {"model": "gpt-4o-mini", "api_key": NEW_KEY, "seed": 7}


def test_a_configuration_deleted_meanwhile_is_told(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_config()
    sent = change_form(row, admin)
    monkeypatch.setattr("agentcore_metering.adapters.django.config.editing.update_config", _gone)

    response = admin.post(url("llmconfig", "change", row.pk), sent, follow=True)

    assert any("nothing was saved" in text for text in messages_of(response))


def test_a_value_refused_meanwhile_is_told_in_the_readers_language(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_config()
    sent = change_form(row, admin)
    monkeypatch.setattr("agentcore_metering.adapters.django.config.editing.update_config", _refused)

    response = admin.post(url("llmconfig", "change", row.pk), sent, follow=True, HTTP_ACCEPT_LANGUAGE="zh-hans")

    assert any("数字必须是有限值" in text for text in messages_of(response))


def _refused(*_args: Any) -> Any:
    raise InvalidField("config.seed", "Numbers must be finite.")


def _gone(*_args: Any) -> Any:
    raise LLMConfig.DoesNotExist


# The canary


def test_no_page_has_a_stored_secret(admin: Client) -> None:
    row = make_config(
        api_base=f"https://user:{KEY}@gateway.example/v1", extra_headers={"Authorization": f"Bearer {KEY}"}, token=[KEY]
    )
    admin.post(url("llmconfig", "change", row.pk), change_form(row, admin, model="gpt-4o"))
    entry = LogEntry.objects.get()

    pages = [
        admin.get(url("llmconfig")),
        admin.get(url("llmconfig"), {"q": KEY[:10]}),
        admin.get(url("llmconfig", "change", row.pk)),
        admin.get(url("llmconfig", "history", row.pk)),
        admin.get(url("llmconfig", "delete", row.pk)),
        admin.post(url("llmconfig"), {"action": "delete_selected", "_selected_action": [row.pk]}),
        client_of("viewer", "view_llmconfig").get(url("llmconfig", "change", row.pk)),
        admin.get("/admin/"),
    ]

    assert all(page.status_code == 200 for page in pages)
    assert not any(KEY in page.content.decode() for page in pages)
    assert KEY not in entry.change_message + entry.object_repr
    assert "Model" in entry.get_change_message()


@pytest.mark.parametrize(
    "other_options",
    [
        "{}",
        json.dumps({"token": NEW_KEY, "nested": {"deep": [NEW_KEY, 1]}, "seed": 7}),
        '{"token": "' + NEW_KEY + '"',  # not JSON
        json.dumps([NEW_KEY]),
        json.dumps({"api_key": NEW_KEY}),
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_no_typed_secret_comes_back_with_an_error(admin: Client, is_new: bool, other_options: str) -> None:
    wrong = {
        "temperature": "9",
        "api_key": NEW_KEY,
        "api_base": f"https://u:{NEW_KEY}@x.example",
        "other_options": other_options,
    }
    if is_new:
        page = admin.post(url("llmconfig", "add"), form(**wrong))
    else:
        row = make_config(old_token=KEY)
        page = admin.post(url("llmconfig", "change", row.pk), change_form(row, admin, **wrong))

    assert "temperature" in errors_of(page)
    assert NEW_KEY not in page.content.decode()
    assert KEY not in page.content.decode()


def test_a_secret_that_was_taken_out_must_be_entered_again(admin: Client) -> None:
    row = make_config(token=KEY)
    address = url("llmconfig", "change", row.pk)
    wrong = change_form(row, admin, temperature="9", other_options=json.dumps({"token": NEW_KEY, "seed": 7}))
    shown = admin.post(address, wrong).context["adminform"].form["other_options"].value()

    assert json.loads(shown) == {"token": "(enter again)", "seed": 7}
    assert "other_options" in errors_of(admin.post(address, change_form(row, admin, other_options=shown)))
    assert LLMConfig.objects.get().config["token"] == KEY


def test_the_mask_of_a_kept_secret_survives_an_error(admin: Client) -> None:
    row = make_config(extra={"token": KEY})
    address = url("llmconfig", "change", row.pk)

    shown = (
        admin.post(address, change_form(row, admin, temperature="9")).context["adminform"].form["other_options"].value()
    )

    assert json.loads(shown) == {"extra": {"token": "***-one"}}
    assert admin.post(address, change_form(row, admin, other_options=shown)).status_code == 302
    assert LLMConfig.objects.get().config["extra"] == {"token": KEY}


# The list and the test


def test_more_configurations_take_no_more_queries(admin: Client) -> None:
    counts = []
    for size in (1, 20):
        for number in range(size):
            LLMConfig.objects.create(scope="user", user=make_user(f"u-{size}-{number}"), config={"api_key": KEY})
        with CaptureQueriesContext(connection) as queries:
            admin.get(url("llmconfig"))
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_the_trail_names_who_came_by_the_admin(admin: Client) -> None:
    admin.post(url("llmconfig", "add"), form())
    row = LLMConfig.objects.get()
    admin.post(url("llmconfig", "change", row.pk), change_form(row, admin, model="gpt-4o"))
    admin.post(url("llmconfig", "delete", row.pk), {"post": "yes"})

    found = LLMConfigChange.objects.order_by("pk").values_list("action", "actor_name", "via")
    assert list(found) == [("created", "root", "admin"), ("changed", "root", "admin"), ("deleted", "root", "admin")]
    page = admin.get(url("llmconfigchange"))
    assert "config.model" in text_of(page)
    assert f"root (#{get_user_model().objects.get(username='root').pk})" in text_of(page)
    assert KEY not in page.content.decode()


def test_a_search_that_is_no_uuid_is_no_error(admin: Client) -> None:
    row = make_config()

    for text in (str(row.uuid), "openai", "root", "%", "0"):
        assert admin.get(url("llmconfig"), {"q": text}).status_code == 200


def test_the_models_of_a_provider_are_its_own(admin: Client) -> None:
    models = admin.get(url("llmconfig", "models", "anthropic")).json()["models"]

    assert any(model.startswith("claude") for model in models)
    assert admin.get(url("llmconfig", "models", "no such")).json() == {"models": []}


def test_the_page_has_no_script_or_style_of_its_own(admin: Client) -> None:
    for address in (url("llmconfig", "add"), url("llmusage"), url("llmprice", "add"), url("meteringconfig")):
        body = admin.get(address).content.decode()
        ours = [tag for tag in body.split("<") if tag.startswith(("script>", "style"))]
        assert ours == []
        assert "onclick" not in body


def test_a_test_makes_one_call_and_tells_what_it_cost(
    admin: Client, stub: StubProvider, telemetry: RecordedTelemetry
) -> None:
    row = make_stub_config(stub)

    response = admin.post(url("llmconfig", "test", row.pk), follow=True)

    flush(5)
    usage = LLMUsage.objects.get()
    assert "It works: openai/gpt-4o-mini answered" in messages_of(response)[0]
    assert f"{usage.cost:.12f} USD" in messages_of(response)[0]
    assert (usage.node_name, usage.config_uuid, usage.user.username) == ("config_test", row.uuid, "root")
    assert KEY not in response.content.decode()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"api_base": "http://169.254.169.254/latest"}, "api_base"),
        ({"api_base": "http://127.1/v1"}, "api_base"),
        ({"other_options": '{"aws_region_name": "a/b"}'}, "other_options"),
        ({"other_options": '{"token": "os.environ/SECRET_KEY"}'}, "other_options"),
    ],
)
def test_a_refused_address_is_told_in_the_readers_language(admin: Client, fields: dict[str, Any], name: str) -> None:
    response = admin.post(url("llmconfig", "add"), form(**fields), headers={"accept-language": "zh-hans"})

    [text] = errors_of(response)[name]
    assert re.search("[\u4e00-\u9fff]", text)


def test_a_refused_change_is_a_line_in_the_log(admin: Client, caplog: pytest.LogCaptureFixture) -> None:
    row = make_config()

    admin.post(url("llmconfig", "change", row.pk), change_form(row, admin, api_base="http://169.254.169.254/"))

    assert f"configuration {row.uuid} was refused for config.api_base" in caplog.text
    assert "by way of admin" in caplog.text


def test_a_failed_test_of_an_incomplete_configuration_is_told_in_the_readers_language(admin: Client) -> None:
    row = LLMConfig.objects.create(scope="global", provider="openai", config={})

    chinese = {"accept-language": "zh-hans"}
    response = admin.post(url("llmconfig", "test", row.pk), follow=True, headers=chinese)

    assert "配置不完整" in messages_of(response)[0]


def test_a_users_configuration_is_tested_as_the_admins_call(admin: Client, stub: StubProvider) -> None:
    row = make_stub_config(stub, user=make_user())

    response = admin.post(url("llmconfig", "test", row.pk), follow=True)

    assert "It works" in messages_of(response)[0]
    assert LLMUsage.objects.get().user.username == "root"


@pytest.mark.skipif(not hasattr(litellm, "decisions"), reason="this LiteLLM has no decisions()")
def test_a_decision_model_is_tested_by_a_question(admin: Client, stub: StubProvider) -> None:
    row = make_stub_config(stub, "openai", "gpt-6-luna", model_type="decision")

    response = admin.post(url("llmconfig", "test", row.pk), follow=True)

    assert "It works" in messages_of(response)[0]
    assert LLMUsage.objects.get().operation == "decisions"


def test_a_failed_test_says_why_and_repeats_no_key(admin: Client) -> None:
    # Port 9 of this machine: nobody listens there.
    row = make_config(api_base="http://127.0.0.1:9/v1", num_retries=0)

    response = admin.post(url("llmconfig", "test", row.pk), follow=True)

    assert messages_of(response)[0].startswith("The test failed.")
    assert KEY not in response.content.decode()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"is_active": False}, "not active"),
        ({"model_type": "embedding"}, "language models"),
        ({"config": {}}, "api_key"),
    ],
)
def test_what_cannot_be_tested_is_told(admin: Client, fields: dict[str, Any], words: str) -> None:
    row = LLMConfig.objects.create(**{"scope": "global", "provider": "openai", "config": {"api_key": KEY}, **fields})

    response = admin.post(url("llmconfig", "test", row.pk), follow=True)

    assert words in messages_of(response)[0]
    assert not LLMUsage.objects.exists()


def test_a_test_is_made_by_post_only(admin: Client) -> None:
    row = make_config()

    assert admin.get(url("llmconfig", "test", row.pk)).status_code == 405
    assert admin.post(url("llmconfig", "test", uuid4())).status_code == 404
