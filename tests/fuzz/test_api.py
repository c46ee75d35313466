"""Requests that schemathesis makes of the OpenAPI document, sound ones and unsound ones: none may give a 500 or an answer not described.

Each runs in process, as a member of staff, against the WSGI application; configurations lead to the stub provider, nothing leaves the
machine. `FUZZ_EXAMPLES` is how many for each operation (besides the fixed ones for its bounds); each one with an address or a
configuration in it is sent once more with a configuration that there is.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

if not os.environ.get("FUZZ"):
    pytest.skip("generated requests need a virtual environment of their own (FUZZ=1)", allow_module_level=True)

import schemathesis
from django.core.wsgi import get_wsgi_application
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from example.stub_provider import StubProvider
from tests.django.builders import make_stub_config
from tests.django.factories import make_usage, make_user

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
LEAST_CASES = int(os.environ.get("FUZZ_LEAST_CASES", "0"))
# What a host's UI sends is more than the document can say: page=abc is page 1. So what is refused is not compared.
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

# It does not know how the authentication of tests is to be described.
with GENERATOR_STATS.silence():
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # it has no types
for item in document["paths"].values():
    for operation in item.values():
        # OpenAPI 3.0 describes the whole stream, schemathesis takes it for the description of one event.
        for content in (answer.get("content", {}) for answer in operation["responses"].values()):
            if "text/event-stream" in content:
                content["text/event-stream"]["schema"] = {"type": "object", "required": ["data"]}
schema = schemathesis.openapi.from_dict(document)
schema.app = get_wsgi_application()

sent: Counter[str] = Counter()
answered: Counter[int] = Counter()


@pytest.fixture(scope="module", autouse=True)
def _enough() -> Iterator[None]:
    yield
    by_status = ", ".join(f"{number} x {status}" for status, number in sorted(answered.items()))
    print(f"\n{sum(sent.values())} generated requests: {by_status}")  # noqa: T201 - the figures of this check
    assert sum(sent.values()) >= LEAST_CASES


@pytest.fixture
def known(db: None, stub: StubProvider) -> dict[str, Any]:
    """A user, a usage row, and a configuration of each scope that leads to the stub; their keys by the names of parameters."""
    make_user("admin", is_staff=True)
    alice = make_user("alice")
    make_usage(user=alice)
    row = make_stub_config(stub, config={"num_retries": 0})
    make_stub_config(stub, user=alice, config={"num_retries": 0})
    return {"config_uuid": str(row.uuid), "config_ref": str(row.uuid), "user_id": str(alice.pk)}


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_generated_request_is_answered_as_described(case: Any, known: dict[str, Any]) -> None:
    send(case)
    if aim(case, known):
        send(case)


def send(case: Any) -> None:
    sent[f"{case.method} {case.operation.path}"] += 1
    answered[case.call_and_validate(checks=CHECKS).status_code] += 1


def aim(case: Any, known: dict[str, Any]) -> bool:
    """Put what there is in the place of a random key; whether there was such a place."""
    places = [place for place in (case.path_parameters, case.body) if isinstance(place, dict)]
    found = [(place, name) for place in places for name in known if name in place]
    for place, name in found:
        place[name] = known[name]
    return bool(found)
