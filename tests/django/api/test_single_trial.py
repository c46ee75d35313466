"""A user's test calls run one after the other, and none is held up for good by one that did not come to its end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.cache import cache, caches
from django.core.handlers.asgi import ASGIHandler
from django.test import AsyncRequestFactory, Client, RequestFactory, override_settings
from pytest_django import Settings
from rest_framework.test import APIClient, APIRequestFactory

from agentcore_metering.adapters.django.api.event_stream import event_stream
from agentcore_metering.adapters.django.api.single_trial import (
    MARGIN_S,
    MAX_KEPT_S,
    RENEWED_EVERY_S,
    SingleTrial,
    TrialRunning,
)
from agentcore_metering.adapters.django.config.source import config_of
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.trackers.trial import Trial
from agentcore_metering.core import dropped
from example.stub_provider import StubProvider, directive
from tests.django.api.asgi import post_scope
from tests.django.api.test_trials import (
    HELLO,
    TEST,
    TEST_CALL,
    call_body,
    close_connections,
    post,
    read_events,
    stub_form,
)
from tests.django.builders import make_stub_config
from tests.django.factories import make_user
from tests.django.trackers.operation_cases import run

pytestmark = pytest.mark.django_db

OWN = "/api/v1/user/llm-config/"
REFUSED = {
    "detail": "Another test of yours is running. Wait for its end, or cancel it, and try again.",
    "code": "test_running",
}


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """The time that Django's cache in memory lives by."""
    clock = FakeTime()
    for module in ("locmem", "base"):
        monkeypatch.setattr(f"django.core.cache.backends.{module}.time", SimpleNamespace(time=clock))
    return clock


@pytest.fixture(autouse=True)
def _clean(settings: Settings) -> Iterator[None]:
    settings.AGENTCORE_METERING_TEST_RATE = None
    cache.clear()
    yield
    cache.clear()


def client_of(user: Any) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def request_of(user: Any, address: str = "192.0.2.1") -> Any:
    request = APIRequestFactory().post("/", REMOTE_ADDR=address)
    return SimpleNamespace(user=user, META=request.META, headers=request.headers)


def begun(user: Any) -> SingleTrial:
    return SingleTrial.begin(request_of(user), 20.0)


def open_stream(api: APIClient, stub: StubProvider, url: str = TEST_CALL, **row: Any) -> Any:
    response = post(api, url, call_body(make_stub_config(stub, **row), stream=True))
    assert response.status_code == 200
    return response


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("url", [TEST, TEST_CALL, f"{OWN}test", f"{OWN}test-call"])
def test_second_test_of_the_same_user_waits_for_the_first(
    api: APIClient, admin: Any, stub: StubProvider, url: str, streams: bool
) -> None:
    row = make_stub_config(stub, user=admin)
    body = stub_form(stub) if url.rstrip("/").endswith("test") else call_body(row, stream=streams)
    first = begun(admin)

    second = post(api, url, body)

    assert (second.status_code, second.json(), second["Retry-After"]) == (429, REFUSED, "5")
    assert stub.requests == ()
    first.end()
    third: Any = post(api, url, body)
    # To its end: a stream that is dropped ends later, when the next test is running.
    assert b"".join(third.streaming_content if third.streaming else [third.content])
    assert third.status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("url", [TEST, f"{OWN}test"])
def test_test_waits_for_a_stream_that_is_not_read_yet(api: APIClient, stub: StubProvider, url: str) -> None:
    response = open_stream(api, stub)

    assert post(api, url, stub_form(stub)).status_code == 429
    response.close()
    assert post(api, url, stub_form(stub)).status_code == 200


def test_refusal_is_in_the_readers_language(api: APIClient, admin: Any, stub: StubProvider) -> None:
    begun(admin)

    second = api.post(TEST, stub_form(stub), format="json", HTTP_ACCEPT_LANGUAGE="zh-hans")

    assert second.json()["detail"].startswith("您的另一项测试正在进行")


def test_other_users_do_not_wait(admin: Any, stub: StubProvider) -> None:
    begun(admin)

    assert post(client_of(make_user("bob", is_staff=True)), TEST, stub_form(stub)).json() == {"ok": True}


def test_wrong_request_is_told_so_while_a_test_runs(api: APIClient, admin: Any) -> None:
    begun(admin)

    assert post(api, TEST, {"provider": "openai", "config": []}).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_time_one_is_made(api: APIClient, admin: Any, stub: StubProvider) -> None:
    row = make_stub_config(stub)
    body = call_body(row, prompt=directive(text="slow", delay_s=0.3))
    together = threading.Barrier(2)
    statuses: list[int] = []

    def ask() -> None:
        from django.db import connections

        together.wait(5)
        statuses.append(post(client_of(admin), TEST_CALL, body).status_code)
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert sorted(statuses) == [200, 429]
    assert len(stub.requests) == 1


@pytest.mark.parametrize("body", [{}, {"prompt": directive(status=500)}], ids=["answered", "failed"])
@pytest.mark.parametrize("streams", [False, True])
def test_test_that_has_ended_holds_nobody_up(
    api: APIClient, stub: StubProvider, body: dict[str, Any], streams: bool
) -> None:
    row = make_stub_config(stub)

    first: Any = post(api, TEST_CALL, call_body(row, stream=streams, **body))
    if streams:
        # Read, and not closed: the last event alone is the end.
        read_events(b"".join(first.streaming_content))

    assert post(api, TEST_CALL, call_body(row)).json()["ok"] is True


@pytest.mark.parametrize("config", [{"num_retries": "many"}, {"request_timeout_seconds": "soon"}])
def test_stream_that_cannot_begin_holds_nobody_up(api: APIClient, stub: StubProvider, config: dict[str, Any]) -> None:
    broken = make_stub_config(stub, config=config)

    assert post(api, TEST_CALL, call_body(broken, stream=True)).status_code == 200

    assert post(api, TEST, stub_form(stub)).json() == {"ok": True}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("events_read", [0, 2])
def test_wsgi_client_that_leaves_frees_the_way(api: APIClient, stub: StubProvider, events_read: int) -> None:
    response = open_stream(api, stub)
    events = iter(response)
    for _number in range(events_read):
        next(events)

    response.close()

    assert post(api, TEST, stub_form(stub)).json() == {"ok": True}
    assert set(LLMUsage.objects.values_list("status", flat=True)) == {"cancelled", "succeeded"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("events_read", [0, 1])
def test_asgi_client_that_leaves_frees_the_way(admin: Any, stub: StubProvider, events_read: int) -> None:
    client = Client()
    client.force_login(admin)
    prompt = directive(text="one two three four", chunks=4, chunk_delay_s=0.2)
    body = json.dumps(call_body(make_stub_config(stub), prompt=prompt, stream=True)).encode()
    scope = post_scope(client, TEST_CALL, body)

    async def leave() -> None:
        application: Any = ApplicationCommunicator(ASGIHandler(), scope)  # type: ignore[no-untyped-call]  # it has no types
        await application.send_input({"type": "http.request", "body": body, "more_body": False})
        for _number in range(1 + events_read):
            await application.receive_output(10)
        assert [key for key in _marks() if str(admin.pk) in key]
        await application.send_input({"type": "http.disconnect"})
        await application.wait(10)
        await close_connections()

    run(leave)

    assert _marks() == []
    assert dropped.wait(5.0)


def _marks() -> list[str]:
    return [key for key in vars(caches["default"])["_cache"] if "test:user" in key]


# --- what becomes of a mark whose process died


def test_mark_of_a_process_that_died_ends_by_itself(clock: FakeTime) -> None:
    user = make_user()
    SingleTrial.begin(request_of(user), 20.0)

    clock.now_s += 20.0 + MARGIN_S - 1
    with pytest.raises(TrialRunning):
        SingleTrial.begin(request_of(user), 20.0)
    clock.now_s += 2
    SingleTrial.begin(request_of(user), 20.0)


def test_mark_is_never_kept_for_longer_than_an_hour(clock: FakeTime) -> None:
    user = make_user()
    SingleTrial.begin(request_of(user), 1e9)

    clock.now_s += MAX_KEPT_S + 1

    SingleTrial.begin(request_of(user), 1.0)


def test_mark_of_a_stream_is_renewed_as_it_goes_on(clock: FakeTime) -> None:
    user = make_user()
    mark = SingleTrial.begin(request_of(user), 20.0)
    # The mark's own clock, by which it asks the cache seldom.
    mark._monotonic_s = clock
    mark._renewed_s = clock()

    for _event in range(20):
        clock.now_s += RENEWED_EVERY_S
        mark.renew()

    with pytest.raises(TrialRunning):
        SingleTrial.begin(request_of(user), 20.0)


class FakeMark:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def renew(self) -> None:
        self.calls.append("renew")

    def end(self) -> None:
        self.calls.append("end")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_async", [False, True])
def test_each_event_renews_the_mark_and_the_last_one_ends_it(stub: StubProvider, is_async: bool) -> None:
    trial = Trial(config_of(make_stub_config(stub)), HELLO, 64, "test")
    factory: Any = AsyncRequestFactory() if is_async else RequestFactory()
    mark: Any = FakeMark()

    # In a view's thread, also under ASGI.
    response: Any = event_stream(trial, factory.post("/"), mark)

    async def consume() -> list[bytes]:
        pieces = [piece async for piece in response]
        await close_connections()
        return pieces

    pieces = run(consume) if is_async else list(response)

    assert len(pieces) > 2
    assert mark.calls == ["renew"] * (len(pieces) - 1) + ["end"]


def test_late_end_leaves_the_mark_of_the_next_test_alone(clock: FakeTime) -> None:
    user = make_user()
    late = SingleTrial.begin(request_of(user), 1.0)
    clock.now_s += 100
    SingleTrial.begin(request_of(user), 1.0)

    late.renew()
    late.end()

    with pytest.raises(TrialRunning):
        SingleTrial.begin(request_of(user), 1.0)


def test_callers_that_are_not_known_are_told_apart_by_their_address() -> None:
    SingleTrial.begin(request_of(None), 1.0)

    with pytest.raises(TrialRunning):
        SingleTrial.begin(request_of(None), 1.0)
    SingleTrial.begin(request_of(None, "192.0.2.2"), 1.0)


@pytest.mark.parametrize("backend", ["dummy.DummyCache", "nowhere"])
def test_without_a_cache_nothing_is_held_up(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    path = f"{__name__}.AwayCache" if backend == "nowhere" else f"django.core.cache.backends.{backend}"

    with override_settings(CACHES={"default": {"BACKEND": path}}):
        for _number in range(2):
            begun(SimpleNamespace(pk=1, is_authenticated=True)).end()

    assert ("cannot be asked" in caplog.text) is (backend == "nowhere")


class AwayCache:
    """A cache whose server is away."""

    def __init__(self, *_args: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name == "close":
            return lambda **_options: None
        raise ConnectionError("away")
