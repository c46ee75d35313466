"""Holds what the API answers against what its OpenAPI document says: operation, status, type of content, and the body to the last key."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker

OURS = "agentcore_metering"
_CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")


@cache
def described_api(urlconf: str) -> DescribedApi:
    """The API as the host with these URLs describes it."""
    with GENERATOR_STATS.silence():  # that there is none to give is a test of its own
        return DescribedApi(SchemaGenerator(urlconf=urlconf).get_schema(request=None, public=True))  # type: ignore[no-untyped-call]  # it has no types


class DescribedApi:
    """An OpenAPI 3.0 document that takes nothing for granted: an object with named keys has no others."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.paths: dict[str, Any] = document["paths"]
        self._components = _strict(document.get("components", {}))
        self._validators: dict[tuple[str, str, str], Draft202012Validator] = {}

    def operation(self, method: str, route: str) -> dict[str, Any] | None:
        """What is said of a Django route, such as `llm-config/<uuid:config_ref>/`; None: nothing."""
        found: dict[str, Any] | None = self.paths.get(_path(route), {}).get(method.lower())
        return found

    def complaints(self, method: str, route: str, response: Any) -> list[str]:
        """What of a response is not as described; nothing when all is."""
        status, kind = str(response.status_code), response.get("Content-Type", "").partition(";")[0]
        if method == "OPTIONS":  # the host's metadata class answers
            return []
        operation = self.operation(method, route)
        if operation is None:
            # Whatever is not described is not there; who may not come in is not told.
            return (
                [] if status in ("401", "403", "405") else [f"{method} {route} is not described and answered {status}"]
            )
        if status not in operation["responses"]:
            return [f"{method} {route}: {status} is not described"]
        kinds = operation["responses"][status].get("content", {})
        if not kinds:
            return [f"{method} {route}: {status} has a body"] if response.content else []
        if kind not in kinds:
            return [f"{method} {route}: {status} is {kind!r}, described are {list(kinds)}"]
        if kind != "application/json":
            return []
        body = json.loads(response.content)
        errors = self._validator(method, route, status, kinds[kind]["schema"]).iter_errors(body)
        return [f"{method} {route}: {status} at {error.json_path}: {error.message[:300]}" for error in errors]

    def _validator(self, method: str, route: str, status: str, schema: Any) -> Draft202012Validator:
        key = (method, route, status)
        if key not in self._validators:
            document = {**_strict(schema), "components": self._components}
            self._validators[key] = Draft202012Validator(document, format_checker=FormatChecker())
        return self._validators[key]


def _path(route: str) -> str:
    return "/" + _CONVERTER.sub(r"{\1}", route)


def _strict(node: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable` is a type of its own, and named keys are all the keys there are."""
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    strict = {key: _strict(value) for key, value in node.items() if key != "nullable"}
    if isinstance(node.get("properties"), dict) and "type" in node:
        strict.setdefault("additionalProperties", False)
    return {"anyOf": [strict, {"type": "null"}]} if node.get("nullable") is True else strict
