"""Where stored configurations may lead: by the address when they are saved, by what a name resolves to when they are called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured, ValidationError
from pytest_django import Settings
from rest_framework.test import APIClient

from agentcore_metering.adapters.django import runtime
from agentcore_metering.adapters.django.checks.secrets import check_stored_configurations
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from agentcore_metering.adapters.django.outbound import OutboundGuard, addresses_in, refusal_of
from agentcore_metering.adapters.django.trackers.llm import LLMTracker
from agentcore_metering.core.addresses import IPAddress
from agentcore_metering.core.errors import EndpointRefused
from tests.core.hostile_addresses import HARMLESS, HOSTILE
from tests.core.listener import listening
from tests.django.factories import KEY, make_config, make_user

SETTING = "AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS"
MESSAGES = [{"role": "user", "content": "hi"}]

PUBLIC = "93.184.216.34"


@pytest.fixture(autouse=True)
def _nothing_allowed(settings: Settings) -> None:
    settings.AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS = []


class FakeDns:
    """A resolver whose answers a test writes down; every further name is not known."""

    def __init__(self, **names: str | list[str]) -> None:
        self.names: Mapping[str, str | list[str]] = {name.replace("_", "."): answer for name, answer in names.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> tuple[IPAddress, ...]:
        self.asked.append(host)
        answer = self.names.get(host, [])
        return tuple(ip_address(text) for text in ([answer] if isinstance(answer, str) else answer))


def guard(dns: FakeDns | None = None, now: list[float] | None = None) -> OutboundGuard:
    clock = now or [0.0]
    return OutboundGuard(dns or FakeDns(localhost="127.0.0.1"), lambda: clock[0])


INNER_NAMES = {
    "localhost": "127.0.0.1",
    "api.localhost": "::1",
    "metadata.google.internal": "169.254.169.254",
    "metadata": "169.254.169.254",
    "kubernetes.default.svc": "10.96.0.1",
    "redis": "172.18.0.2",
    "vault.service.consul": "10.0.0.9",
    "printer.local": "192.168.1.9",
    "router.home.arpa": "192.168.1.1",
}


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_address_is_not_saved(url: str) -> None:
    refused = refusal_of({"api_base": url})

    assert refused is not None
    assert refused[0] == "api_base"


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_address_is_not_called(url: str) -> None:
    dns = FakeDns()
    dns.names = INNER_NAMES

    assert str(guard(dns).refusal({"api_base": url})).startswith("api_base of this configuration")


@pytest.mark.parametrize("url", HARMLESS)
def test_harmless_address_is_saved_and_called(url: str) -> None:
    assert refusal_of({"api_base": url}) is None
    assert guard().refusal({"api_base": url}) is None


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9100/v1"),
        ("127.0.0.0/8", "http://127.9.9.9/"),
        ("127.0.0.1:9100", "http://127.0.0.1:9100/v1"),
        ("::1", "http://[::1]:11434/"),
        ("[::1]:11434", "http://[::1]:11434/"),
        ("10.0.0.0/8", "http://10.2.3.4/"),
        ("ollama", "http://ollama:11434/"),
        ("OLLAMA:11434", "http://ollama.:11434/"),
        (".svc.cluster.local", "http://vllm.ai.svc.cluster.local/"),
        ("*.svc.cluster.local:8000", "http://vllm.ai.svc.cluster.local:8000/"),
    ],
)
def test_listed_host_is_saved_and_called(settings: Settings, entry: str, url: str) -> None:
    settings.AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS = [entry]
    dns = FakeDns(ollama="172.18.0.2", vllm_ai_svc_cluster_local="10.96.3.4")

    assert refusal_of({"api_base": url}) is None
    assert guard(dns).refusal({"api_base": url}) is None


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("127.0.0.1", "http://127.0.0.2/"),
        ("127.0.0.1:9100", "http://127.0.0.1:9101/"),
        ("10.0.0.0/8", "http://172.16.0.1/"),
        ("10.0.0.0/8", "http://[::ffff:10.0.0.1]/"),
        ("10.0.0.0/8", "http://0x0a.1/"),
        ("ollama", "http://ollama2/"),
        ("ollama:11434", "http://ollama:22/"),
        (".svc.cluster.local", "http://svc.cluster.local.evil/"),
    ],
)
def test_list_allows_no_more_than_it_says(settings: Settings, entry: str, url: str) -> None:
    settings.AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS = [entry]
    dns = FakeDns(ollama="172.18.0.2", ollama2="172.18.0.3", svc_cluster_local_evil="10.9.9.9")

    assert guard(dns).refusal({"api_base": url}) is not None


@pytest.mark.parametrize("entry", ["http://ollama", "10.0.0.0/33", "a b", "host:99999", "host:0", "*", "10.0.0.1/8"])
def test_entry_that_is_none_is_told(settings: Settings, entry: str) -> None:
    settings.AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS = [entry]

    with pytest.raises(ImproperlyConfigured, match=SETTING):
        refusal_of({"api_base": "https://api.example.com"})


def test_local_name_may_be_saved_where_networks_are_listed_and_is_judged_when_called(settings: Settings) -> None:
    settings.AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS = ["172.18.0.0/16"]
    dns = FakeDns(ollama="172.18.0.2", redis="10.0.0.5")

    assert refusal_of({"api_base": "http://ollama:11434"}) is None
    assert guard(dns).refusal({"api_base": "http://ollama:11434"}) is None
    assert guard(dns).refusal({"api_base": "http://redis:6379"}) is not None


@pytest.mark.parametrize("answers", [["10.0.0.1"], [PUBLIC, "10.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::a9fe:a9fe"]])
def test_public_name_that_resolves_inside_is_refused_without_the_address(answers: list[str]) -> None:
    dns = FakeDns(rebind_example_com=answers)

    refusal = str(guard(dns).refusal({"api_base": "https://rebind.example.com/v1"}))

    assert "rebind.example.com" in refusal
    assert SETTING in refusal
    assert not any(answer in refusal for answer in answers)


def test_answer_of_dns_is_remembered_for_half_a_minute() -> None:
    now = [100.0]
    dns = FakeDns(api_example_com=PUBLIC)
    checked = guard(dns, now)

    for now[0] in (100.0, 110.0, 129.9):
        assert checked.refusal({"api_base": "https://api.example.com/v1"}) is None
    assert len(dns.asked) == 1

    dns.names = {"api.example.com": "10.0.0.1"}
    now[0] = 130.0
    assert checked.refusal({"api_base": "https://api.example.com/v1"}) is not None


def test_dns_is_not_asked_for_a_listed_providers_own_host_nor_for_an_address() -> None:
    dns = FakeDns()

    assert guard(dns).refusal({"api_base": "https://api.openai.com/v1"}) is None
    assert guard(dns).refusal({"api_base": f"http://{PUBLIC}/v1"}) is None
    assert guard(dns).refusal({"model": "m", "api_key": "k"}) is None

    assert dns.asked == []


def test_name_that_cannot_be_resolved_is_left_to_the_http_client() -> None:
    assert guard(FakeDns()).refusal({"api_base": "https://only-the-proxy-knows.example.com/v1"}) is None


@pytest.mark.parametrize(
    "options",
    [
        {"aws_bedrock_runtime_endpoint": "http://10.0.0.1/"},
        {"aws_sts_endpoint": "http://169.254.169.254/"},
        {"vertex_credentials": {"type": "external_account", "token_url": "http://169.254.169.254/token"}},
        {"vertex_credentials": {"credential_source": {"url": "http://metadata.google.internal/x"}}},
        {"vertex_credentials": '{"token_uri": "http://127.0.0.1:1/"}'},
        {"vertex_credentials": {"token_uri": "file:///etc/passwd"}},
        {"vertex_location": "evil.example.com/"},
        {"vertex_location": "evil.example.com#"},
        {"aws_region_name": "x@127.0.0.1"},
        {"region_name": "us-south.evil.example.com/"},
        {"region_name": ["us-south"]},
    ],
)
def test_every_key_that_is_or_makes_an_address_is_looked_at(options: dict[str, Any]) -> None:
    dns = FakeDns()
    dns.names = INNER_NAMES

    assert refusal_of(options) is not None
    assert guard(dns).refusal(options) is not None


def test_debug_allows_this_machine_alone(settings: Settings) -> None:
    settings.DEBUG = True

    assert refusal_of({"api_base": "http://localhost:11434"}) is None
    assert guard().refusal({"api_base": "http://127.0.0.1:11434"}) is None
    assert refusal_of({"api_base": "http://10.0.0.1"}) is not None


def test_addresses_of_a_configuration_are_named_by_their_keys() -> None:
    options = {
        "api_base": "https://a.example.com",
        "vertex_credentials": {"token_uri": "https://b.example.com", "x": "y"},
    }

    assert list(addresses_in(options)) == [
        ("api_base", "https://a.example.com"),
        ("vertex_credentials", "https://b.example.com"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("url", HOSTILE)
def test_api_refuses_a_hostile_address_with_a_text_for_its_field(url: str) -> None:
    client = APIClient()
    client.force_authenticate(make_user("admin", is_staff=True))
    body = {"provider": "openai_compatible", "config": {"api_key": KEY, "api_base": url, "model": "m"}}

    answer = client.post("/api/v1/admin/llm-config/", body, format="json")

    assert answer.status_code == 400
    assert list(answer.json()["config"]) == ["api_base"]
    assert not LLMConfig.objects.exists()


@pytest.mark.django_db
def test_api_names_the_setting_for_a_private_host() -> None:
    client = APIClient()
    client.force_authenticate(make_user("admin", is_staff=True))
    body = {"provider": "hosted_vllm", "config": {"api_base": "http://10.0.0.5:8000/v1", "model": "m"}}

    (text,) = client.post("/api/v1/admin/llm-config/", body, format="json").json()["config"]["api_base"]

    assert "10.0.0.5" in text
    assert SETTING in text


@pytest.mark.django_db
def test_row_with_a_private_host_can_still_be_switched_off_and_renamed() -> None:
    row = make_config(config={"model": "m", "api_key": KEY, "api_base": "http://10.0.0.5:8000/v1"})
    client = APIClient()
    client.force_authenticate(make_user("admin", is_staff=True))

    answer = client.put(
        f"/api/v1/admin/llm-config/{row.uuid}/", {"is_active": False, "config": {"model": "n"}}, format="json"
    )

    assert answer.status_code == 200
    row.refresh_from_db()
    assert (row.is_active, row.config["model"], row.config["api_key"]) == (False, "n", KEY)


@pytest.mark.django_db
@pytest.mark.parametrize("reference", ["os.environ/SECRET_KEY", " os.environ/SECRET_KEY", "oidc/file//etc/passwd"])
@pytest.mark.parametrize("wrap", [lambda text: text, lambda text: {"inner": [text]}])
def test_api_refuses_references_to_values_of_the_server(reference: str, wrap: Any) -> None:
    client = APIClient()
    client.force_authenticate(make_user("admin", is_staff=True))
    body = {"config": {"model": "m", "api_key": KEY, "aws_session_token": wrap(reference)}}

    answer = client.post("/api/v1/admin/llm-config/", body, format="json")

    assert answer.status_code == 400
    assert list(answer.json()["config"]) == ["aws_session_token"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "call",
    [
        lambda is_streaming: LLMTracker.call_and_track(MESSAGES, stream=is_streaming),
        lambda is_streaming: asyncio.run(LLMTracker.acall_and_track(MESSAGES, stream=is_streaming)),
    ],
    ids=["sync", "async"],
)
@pytest.mark.parametrize("is_streaming", [False, True])
def test_existing_row_is_refused_at_its_call_before_anything_is_sent(
    is_streaming: bool, call: Callable[..., Any]
) -> None:
    with listening(lambda _path: (200, {}, b"the inner service's secret")) as inner:
        make_config(config={"model": "gpt-4o-mini", "api_key": KEY, "api_base": inner.base})

        with pytest.raises(EndpointRefused, match=SETTING) as caught:
            call(is_streaming=is_streaming)

    assert inner.requests == []
    assert KEY not in str(caught.value)
    assert "inner service" not in str(caught.value)
    assert not LLMUsage.objects.exists()


@pytest.mark.django_db
def test_configuration_in_settings_is_the_operators_own(settings: Settings) -> None:
    settings.AGENTCORE_METERING_LLM = {
        "provider": "openai",
        "config": {"model": "m", "api_key": KEY, "api_base": "http://10.0.0.5:8000/v1"},
    }

    config = runtime.get_metering().resolve_config(None, None, strict_user_scope=False)

    assert config.options["api_base"] == "http://10.0.0.5:8000/v1"


@pytest.mark.django_db
def test_backend_of_a_test_may_stand_for_any_host() -> None:
    make_config(config={"model": "m", "api_key": KEY, "api_base": "http://10.0.0.5:8000/v1"})

    with runtime.services_replaced(backend=object()) as metering:
        assert metering.resolve_config(None, None, strict_user_scope=False).options["model"] == "m"
    with pytest.raises(EndpointRefused):
        runtime.get_metering().resolve_config(None, None, strict_user_scope=False)


@pytest.mark.django_db
def test_form_of_a_host_is_told(settings: Settings) -> None:
    row = make_config()
    row.config["api_base"] = "http://10.0.0.5/"

    with pytest.raises(ValidationError, match=SETTING):
        row.full_clean()


def ids(messages: list[CheckMessage]) -> list[str]:
    return [(message.id or "").removeprefix("agentcore_metering.") for message in messages]


@pytest.mark.django_db
def test_check_names_active_rows_that_would_be_refused() -> None:
    make_config(config={"model": "m", "api_base": "https://api.example.com"})
    make_config(config={"model": "m", "api_base": "http://10.0.0.5/"}, is_active=False)
    row = make_config(config={"model": "m", "api_base": "http://10.0.0.5/"})

    (message,) = check_stored_configurations(["default"])

    assert ids([message]) == ["W112"]
    assert str(row.uuid) in message.msg
    assert SETTING in str(message.hint)
    assert check_stored_configurations(None) == []
