"""A provider's exception leaves a call as the same object, and without a secret."""

from __future__ import annotations

import traceback

import pytest

from agentcore_metering.core.scrubbing import scrub_exception
from tests.fakes import provider_error

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_scrub_exception_masks_a_response_its_request_and_where_it_leads(library: str) -> None:
    http = pytest.importorskip(library)
    request = http.Request("POST", f"https://host.example/?key={KEY}", headers={"x-api-key": KEY}, content=b"prompt")
    response = http.Response(307, request=request, headers={"x-echo": KEY}, json={"no such key": KEY, "you are": "Zoë"})
    response.next_request = http.Request("POST", f"https://host.example/again?key={KEY}", headers={"x-api-key": KEY})
    exc = provider_error("AuthenticationError", 401, response=response)
    assert KEY in response.text

    scrub_exception(exc, [KEY])

    assert response.json() == {"no such key": "***", "you are": "Zoë"}
    assert (response.headers["x-echo"], request.headers["x-api-key"]) == ("***", "***")
    assert (str(request.url), request.content) == ("https://host.example/?key=***", b"prompt")
    assert KEY not in f"{response.next_request.url} {response.next_request.headers.multi_items()}"


def test_scrub_exception_masks_texts_and_cuts_the_traceback() -> None:
    def send(api_key: str) -> None:
        raise provider_error("AuthenticationError", 401, message=f"no such key {api_key}", body=f"echo {api_key}")

    caught: Exception | None = None
    try:
        send(KEY)
    except Exception as exc:  # noqa: BLE001 - whatever it raises
        caught = exc
    assert caught is not None

    scrub_exception(caught, [KEY])

    assert KEY not in str(caught)
    assert KEY not in str(vars(caught))
    assert caught.__traceback__ is None
    assert KEY not in "".join(traceback.TracebackException.from_exception(caught, capture_locals=True).format())


@pytest.mark.parametrize(
    "said",
    [{"error": f"no such key {KEY}"}, [f"no such key {KEY}"], (f"no such key {KEY}",), f"no such key {KEY}".encode()],
)
def test_scrub_exception_masks_what_is_said_in_other_shapes_than_text(said: object) -> None:
    exc = provider_error("AuthenticationError", 401)
    exc.args = (said,)

    scrub_exception(exc, [KEY])

    assert KEY not in str(exc)
    assert "no such key ***" in str(exc)
