"""Whole requests that no client of ours would make, to every endpoint: none is a 500, takes long, or is answered at length.

`test_hostile` has wrong values, here are wrong bodies, addresses, headers and methods, as bytes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client

from example.stub_provider import StubProvider
from tests.django.api.urls import (
    LLM_CONFIG,
    LLM_CONFIG_ALL,
    LLM_CONFIG_USERS,
    LLM_USAGE,
    METERING_CONFIG,
    PREFIX,
    TOKEN_STATS,
    UNKNOWN,
    USERS,
)
from tests.django.builders import make_stub_config
from tests.django.factories import make_usage, make_user

pytestmark = pytest.mark.django_db

LONGEST_S = 2.0
LARGEST_BYTES = 2_000_000
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
USER = "/api/v1/user"
CONFIG = "{config}"
"""Stands for the address of a configuration that there is."""

REFUSED, READ = {400}, {200, 201, 400}
TYPE = {400, 415}


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request, and the statuses that are an answer to it."""

    name: str
    method: str
    url: str
    statuses: set[int]
    body: bytes = b""
    content_type: str = JSON
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def _utf16(text: str) -> bytes:
    return text.encode("utf-16")


# name: body, type, statuses
BODIES: dict[str, tuple[bytes, str, set[int]]] = {
    "empty": (b"", JSON, READ),
    "two values": (b"{}{}", JSON, REFUSED),
    "bytes after the end": (b'{"config": {}}\x00\x00', JSON, REFUSED),
    "bad UTF-8": (b'{"provider": "\xff\xfe"}', JSON, REFUSED),
    "overlong UTF-8": (b'{"provider": "\xc0\xaf"}', JSON, REFUSED),
    "byte order mark": (b"\xef\xbb\xbf{}", JSON, REFUSED | READ),
    "UTF-16": (_utf16("{}"), JSON, REFUSED),
    "lone surrogate as a key": (b'{"\\ud800": 1}', JSON, READ),
    "null character as a key": (b'{"\\u0000": 1}', JSON, READ),
    "same key twice": (b'{"provider": "openai", "provider": [], "config": 1, "config": {}}', JSON, READ),
    "prototype": (b'{"__proto__": {"is_admin": true}, "constructor": {"prototype": {}}}', JSON, READ),
    "python": (b'{"__class__": "os.system", "py/object": "os.system"}', JSON, READ),
    "infinity": (b'{"config": {"top_p": Infinity}, "max_tokens": -Infinity, "retention_days": NaN}', JSON, REFUSED),
    "huge exponent": (b'{"max_tokens": 1e999999999, "retention_days": 1e999999999, "fallback": 1e999999}', JSON, READ),
    "huge number": (b'{"config_id": ' + b"9" * 4000 + b', "retention_days": ' + b"9" * 4000 + b"}", JSON, READ),
    "number past what is read": (b'{"x": ' + b"9" * 100_000 + b"}", JSON, REFUSED),
    "two megabytes of text": (b'{"config": {"name": "' + b"a" * 2_000_000 + b'"}, "prompt": "' + b"b" * 9 + b'"}', JSON, READ),
    "two megabytes of keys": (json.dumps({f"k{number}": number for number in range(120_000)}).encode(), JSON, READ),
    "two megabytes of brackets": (b"[" * 1_000_000 + b"]" * 1_000_000, JSON, REFUSED),
    "ten thousand keys of a config": (json.dumps({"config": dict.fromkeys(map(str, range(10_000)), "x")}).encode(), JSON, READ),
    "a list of a hundred thousand": (json.dumps({"fallback": [0] * 100_000, "config": [0] * 100_000}).encode(), JSON, READ),
    "two megabytes of a form": (b"provider=" + b"a" * 2_000_000, FORM, READ),
    "a form past the limit": (b"provider=" + b"a" * 3_000_000, FORM, {*READ, 413}),
    "five thousand fields": (b"&".join(b"f%d=1" % number for number in range(5000)), FORM, READ),
    "form with bad escapes": (b"provider=%zz%&%00=%ff&config=%7B", FORM, READ),
    "form with null characters": (b"provider=a%00b&prompt=%00&fallback=%00&retention_days=%00", FORM, READ),
    "form with unicode digits": ("retention_days=\u0663&config_id=\u0663&user_id=\u0663&max_tokens=\u0663".encode(), FORM, READ),
    "form in rot13": (b"provider=openai", f"{FORM}; charset=rot13", TYPE | READ),
    "form in idna": (b"provider=openai", f"{FORM}; charset=idna", TYPE | READ),
    "form in undefined": (b"provider=openai", f"{FORM}; charset=undefined", TYPE | READ),
    "form in base64": (b"provider=openai", f"{FORM}; charset=base64", TYPE | READ),
    "multipart without a boundary": (b"--b\r\n\r\n--b--", "multipart/form-data", REFUSED | TYPE),
    "multipart with a wrong boundary": (b"--c\r\n\r\n--c--", "multipart/form-data; boundary=\xff", REFUSED | TYPE),
    "multipart that is cut": (b'--b\r\nContent-Disposition: form-data; name="provider"\r\n\r\nope', MULTIPART, READ),
    "multipart with a file of a path": (b'--b\r\nContent-Disposition: form-data; name="config"; filename="../../etc/passwd"\r\n\r\n{}\r\n--b--\r\n', MULTIPART, READ),
    "multipart in base64": (b'--b\r\nContent-Disposition: form-data; name="provider"\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n--b--\r\n', MULTIPART, READ),
    "multipart with two thousand fields": (b"".join(b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n1\r\n' for _ in range(2000)) + b"--b--\r\n", MULTIPART, READ),
    "xml": (b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', "application/xml", TYPE),
    "text": (b"{}", "text/plain", TYPE),
    "yaml": (b"!!python/object/apply:os.system [ls]", "application/yaml", TYPE),
    "pickle": (b"\x80\x04cos\nsystem\n.", "application/octet-stream", TYPE),
    "no type": (b"{}", "", TYPE | READ),
    "a type that is none": (b"{}", ";;;///", TYPE),
    "json in an unknown charset": (b"{}", f"{JSON}; charset=utf-4711", READ),
    "json in rot13": (b"{}", f"{JSON}; charset=rot13", TYPE | READ),
    "a type of ten thousand letters": (b"{}", "a/" + "b" * 10_000, TYPE),
}  # fmt: skip

TAKERS = [
    ("post", LLM_CONFIG),
    ("put", f"{CONFIG}/"),
    ("put", f"{LLM_CONFIG_USERS}{{user}}/"),
    ("patch", METERING_CONFIG),
    ("post", f"{LLM_CONFIG}test/"),
    ("post", f"{LLM_CONFIG}test-call/"),
    ("put", f"{CONFIG}/fallback"),
]

QUERIES: dict[str, str] = {
    "long": "model=" + "a" * 60_000,
    "many": "&".join(f"p{number}=1" for number in range(900)),
    "too many": "&".join(f"p{number}=1" for number in range(3000)),
    "bad escapes": "user_id=%&model=%zz&page=%ff%fe&start_date=%c0%af",
    "null characters": "%00=%00&page=1%00&scope=%00",
    "same name often": "&".join(["user_id=1"] * 500),
    "brackets": "user_id[$ne]=1&model[]=x&page[size]=1",
    "lookups": "user__password__startswith=a&order_by=password&fields=config&id__in=1,2",
    "injection": "model=%25'%20OR%20'1'='1&user_id=1&success=true;DROP%20TABLE%20x",
    "template": "model={{7*7}}${7*7}<script>&granularity=day",
    "pages": "page=-9223372036854775809&page_size=-0",
    "digits of another script": "page=%D9%A3&page_size=%EF%BC%95",
    "first and last date": "start_date=0001-01-01T00:00:00Z&end_date=9999-12-31T00:00:00Z",
    "newlines": "model=a%0d%0aSet-Cookie:%20x=1&page=%0a1",
    "half a pair": "model=%ED%A0%80&scope=%ED%A0%80",
    "only separators": "&&&;;;===&=",
}
ASKED = [TOKEN_STATS, LLM_USAGE, USERS, LLM_CONFIG, LLM_CONFIG_ALL, LLM_CONFIG_USERS, METERING_CONFIG, f"{CONFIG}/changes/", f"{LLM_USAGE}export/", f"{LLM_USAGE}{{usage}}/", f"{USER}/my/usage/", f"{USER}/my/stats/"]  # fmt: skip

PATHS = [
    *[f"{LLM_CONFIG}{ref}/" for ref in (
        "00000000-0000-0000-0000-00000000000g", "{00000000-0000-0000-0000-000000000000}", "00000000000000000000000000000000",
        "urn:uuid:00000000-0000-0000-0000-000000000000", str(UNKNOWN).replace("-", "_"), f"{UNKNOWN}%00", f"%20{UNKNOWN}", f"{UNKNOWN}.json",
        "-1", "+1", "1.0", "1e3", "0x1", "%D9%A3", "9" * 400, "9" * 20_000, str(2**63), str(2**64), "%00", "%ff%fe", "..%2f..%2fetc%2fpasswd",
        "....//", "%2e%2e", "..;", "a" * 20_000, "users/%00", f"users/{2**63}", "users/-1", "users/9%20", f"{UNKNOWN}/fallback/", f"{UNKNOWN}//fallback",
    )],
    f"{PREFIX}/%2e%2e/%2e%2e/etc/passwd", f"{PREFIX}//llm-config/", f"{PREFIX}/LLM-CONFIG/", f"{PREFIX}/llm-config/%2ftest/",
]  # fmt: skip

HEADERS: dict[str, dict[str, str]] = {
    "method override": {"HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE", "HTTP_X_METHOD_OVERRIDE": "DELETE"},
    "rewritten address": {"HTTP_X_ORIGINAL_URL": "/admin/", "HTTP_X_REWRITE_URL": "/admin/", "HTTP_X_FORWARDED_HOST": "evil"},
    "languages": {"HTTP_ACCEPT_LANGUAGE": "zh" + "-x" * 5000 + ",*;q=nan,\x00"},
    "language that is a path": {"HTTP_ACCEPT_LANGUAGE": "../../etc/passwd"},
    "accepts nothing": {"HTTP_ACCEPT": ""},
    "accepts what is none": {"HTTP_ACCEPT": "///;;;,\x00,*/*;q=nan"},
    "accepts thousands": {"HTTP_ACCEPT": ",".join(f"a/b{number}" for number in range(5000))},
    "cookies": {"HTTP_COOKIE": "sessionid=" + "\xff" * 500 + "; csrftoken=%00;;;=; a=\x00"},
    "encodings": {"HTTP_ACCEPT_ENCODING": "br;q=2,gzip;q=-1", "HTTP_TE": "chunked"},
    "condition": {"HTTP_IF_MODIFIED_SINCE": "yesterday", "HTTP_IF_NONE_MATCH": '"' * 1000},
    "range": {"HTTP_RANGE": "bytes=-9999999999999-,0-0," * 500},
    "trace": {"HTTP_TRACEPARENT": "00-" + "z" * 32 + "-\x00-ff", "HTTP_TRACESTATE": "=" * 5000, "HTTP_BAGGAGE": "%" * 9000},
    # Of one that is no text encoding, such as rot13, Django itself makes a 500 before any view is asked.
    "charset": {"CONTENT_TYPE": f"{JSON}; charset=utf-16"},
    "charset of names": {"CONTENT_TYPE": f"{JSON}; charset=idna"},
    "length that is none": {"CONTENT_LENGTH": "-1"},
    "length that is no number": {"CONTENT_LENGTH": "\u0663"},
}  # fmt: skip


def _requests() -> Iterator[Hostile]:
    for method, url in TAKERS:
        for name, (body, content_type, statuses) in BODIES.items():
            yield Hostile(name, method, url, statuses, body, content_type)
    for url in ASKED:
        for name, query in QUERIES.items():
            yield Hostile(name, "get", url, {200, 400}, query=query)
    for path in PATHS:
        for method in ("get", "put", "delete"):
            yield Hostile(path[-60:], method, path, {404, 405})
    for url in (TOKEN_STATS, LLM_USAGE, USERS, LLM_CONFIG, f"{CONFIG}/", f"{CONFIG}/fallback", f"{USER}/my/usage/"):
        for name, headers in HEADERS.items():
            yield Hostile(name, "get", url, {200, 400, 403, 404, 406}, headers=headers, query="page=1")
        for method in ("TRACE", "CONNECT", "PROPFIND", "get\r\nX: y", "\u0413\u0415\u0422", "x" * 5000):
            yield Hostile(method[:12], method, url, {400, 405})


REQUESTS = list(_requests())


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, to the end of its body."""

    status: int
    body: bytes
    seconds: float


@pytest.fixture(scope="module", autouse=True)
def _litellm_is_there() -> None:
    import litellm  # noqa: F401 - the first request of a process waits for it, whoever sends it


@pytest.fixture
def ask(admin: Any, stub: StubProvider) -> Callable[[Hostile], Answer]:
    """Sends a request as a member of staff would; there are a usage row, a configuration and a user."""
    alice = make_user()
    usage = make_usage(user=alice)
    row = make_stub_config(stub)
    client = Client(raise_request_exception=False)
    client.force_login(admin)

    def send(one: Hostile) -> Answer:
        url = (
            one.url.replace(CONFIG, f"{LLM_CONFIG}{row.uuid}")
            .replace("{user}", str(alice.pk))
            .replace("{usage}", str(usage.pk))
        )
        extra: dict[str, Any] = {"QUERY_STRING": one.query, "CONTENT_TYPE": one.content_type, **one.headers}
        started = time.perf_counter()
        response: Any = client.generic(one.method.upper(), url, one.body, one.content_type, **extra)
        body = response.getvalue()
        return Answer(response.status_code, body, time.perf_counter() - started)

    return send


@pytest.mark.parametrize("one", REQUESTS, ids=[f"{one.method[:8]}-{one.url[-40:]}-{one.name}" for one in REQUESTS])
def test_hostile_request_is_answered_soon_briefly_and_without_a_defect(
    ask: Callable[[Hostile], Answer], one: Hostile
) -> None:
    answer = ask(one)

    assert answer.status in one.statuses, answer.body[:500]
    assert answer.seconds <= LONGEST_S
    assert len(answer.body) <= LARGEST_BYTES


def test_hostile_requests_are_to_every_endpoint_that_takes_a_body() -> None:
    assert len(REQUESTS) >= 200
    assert {one.method for one in REQUESTS} >= {"get", "post", "put", "patch", "delete"}
