"""A Responses API stream's events -> the same deltas and facts that `chunks` makes of chat chunks: pure, no I/O, no clock."""

from __future__ import annotations

from typing import Any, Literal

from agentcore_metering.core.chunks import Delta, StreamAccumulator
from agentcore_metering.core.operations import response_finish_reason
from agentcore_metering.core.payload import read, read_int

__all__ = ["ResponseEvents"]

_DELTAS: dict[str, Literal["content", "reasoning"]] = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "content",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
_ITEMS = ("response.output_item.added", "response.output_item.done")
_ARGUMENTS = "response.function_call_arguments.delta"


class ResponseEvents(StreamAccumulator):
    """Takes events in the place of chunks. The events around the text carry the whole response, which tells its facts."""

    def feed(self, event: Any) -> list[Delta]:
        """The text in this event, or none; white space is kept."""
        kind = read(event, "type")
        kind = str(getattr(kind, "value", kind))
        response = read(event, "response")
        if response is not None:
            super().feed(response)
            self.finish_reason = response_finish_reason(response, has_calls=bool(self.tool_calls)) or self.finish_reason
        if kind in _ITEMS:
            self._note_item(event)
        elif kind == _ARGUMENTS:
            self._call_at(event)["arguments"] += read(event, "delta") or ""
        elif kind in _DELTAS:
            return self._deltas(_DELTAS[kind], read(event, "delta"))
        return []

    def _deltas(self, kind: Literal["content", "reasoning"], text: Any) -> list[Delta]:
        if not isinstance(text, str) or not text:
            return []
        (self.content if kind == "content" else self.reasoning).append(text)
        return [(kind, text)]

    def _note_item(self, event: Any) -> None:
        item = read(event, "item")
        if read(item, "type") != "function_call":
            return
        call = self._call_at(event)
        call["id"] = read(item, "call_id", "id") or call["id"]
        call["name"] = read(item, "name") or call["name"]
        # Whole at last, whatever came of it in pieces.
        call["arguments"] = read(item, "arguments") or call["arguments"]

    def _call_at(self, event: Any) -> dict[str, str]:
        index = read_int(event, "output_index") or 0
        return self._tool_calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
