"""What `otel/collector-without-contents.yaml` does to spans, for collectors that lack the processors of the contrib distribution.

Does to an export request what the documentation of the two processors says of the actions and statements that the file has, and knows no
others: a new kind in the file fails here before it is believed to work.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[2] / "otel" / "collector-without-contents.yaml"
DOCUMENT: Mapping[str, Any] = yaml.safe_load(FILE.read_text())
PROCESSORS: Mapping[str, Any] = DOCUMENT["processors"]

_KEYS = re.compile(r'delete_matching_keys\(spanevent\.attributes, "(?P<pattern>[^"]+)"\)')
_NO_MESSAGE = 'set(span.status.message, "")'


def apply_overlay(request: Any) -> None:
    """Clean the spans of an export request, in the order of the pipeline."""
    for name in DOCUMENT["service"]["pipelines"]["traces"]["processors"]:
        kind = name.split("/")[0]
        if kind in _KINDS:
            for span in _spans(request):
                _KINDS[kind](span, PROCESSORS[name])


def _spans(request: Any) -> Iterator[Any]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def _attributes(span: Any, settings: Mapping[str, Any]) -> None:
    for action in settings["actions"]:
        matches = _matching(action)
        if action["action"] == "delete":
            _delete(span.attributes, matches)
        elif action["action"] == "hash":
            for attribute in filter(lambda each: matches(each.key), span.attributes):
                attribute.value.string_value = hashlib.sha256(attribute.value.SerializeToString()).hexdigest()
        else:
            raise AssertionError(f"the action {action} is not known here")


def _matching(action: Mapping[str, str]) -> Callable[[str], bool]:
    key, pattern = action.get("key"), action.get("pattern")
    return lambda name: name == key or (pattern is not None and re.search(pattern, name) is not None)


def _transform(span: Any, settings: Mapping[str, Any]) -> None:
    for group in settings["trace_statements"]:
        for statement in group["statements"]:
            keys = _KEYS.fullmatch(statement)
            if statement == _NO_MESSAGE and group["context"] == "span":
                span.status.message = ""
            elif keys and group["context"] == "spanevent":
                pattern = re.compile(keys["pattern"])
                for event in span.events:
                    _delete(event.attributes, lambda name, pattern=pattern: pattern.search(name) is not None)
            else:
                raise AssertionError(f"the statement {statement} is not known here in the context {group['context']}")


def _delete(attributes: Any, matches: Callable[[str], bool]) -> None:
    kept = [attribute for attribute in attributes if not matches(attribute.key)]
    del attributes[:]
    attributes.extend(kept)


_KINDS: Mapping[str, Callable[[Any, Mapping[str, Any]], None]] = {"attributes": _attributes, "transform": _transform}
