"""What hosts of this app do with bodies: a renderer that wraps every answer, and a parser that takes keys in camel case."""

from __future__ import annotations

import re
from typing import Any

from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer

__all__ = ["CamelCaseParser", "WrappingRenderer", "camelised"]


class WrappingRenderer(JSONRenderer):
    """`{"code", "message", "data"}` around everything; `data` is what the view answered."""

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> Any:
        status = renderer_context["response"].status_code
        wrapped = {
            "code": 0 if status < 400 else status,
            "message": "success" if status < 400 else "error",
            "data": data,
        }
        return super().render(wrapped, accepted_media_type, renderer_context)


class CamelCaseParser(JSONParser):
    """JSON whose keys, at any depth, come in camel case or as they are."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        return _with_keys(super().parse(stream, media_type, parser_context), _snake)


def camelised(body: Any) -> Any:
    """A body as a UI in JavaScript would send it: `maxTokens` for `max_tokens`."""
    return _with_keys(body, _camel)


def _with_keys(value: Any, rename: Any) -> Any:
    if isinstance(value, dict):
        return {rename(key): _with_keys(item, rename) for key, item in value.items()}
    return [_with_keys(item, rename) for item in value] if isinstance(value, list) else value


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda found: f"_{found[0].lower()}", key)


def _camel(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])_([a-z])", lambda found: found[1].upper(), key)
