"""OpenAI's transcriptions, which come as a form with a file, and speech, which leaves as bytes.

Source: https://platform.openai.com/docs/api-reference/audio. A transcription's directive stands in its `prompt`, a speech's in its
`input`. Whisper is billed by the second and says the seconds; the other models are billed by the token and say their tokens.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from example.stub_provider.answers import Prompt
from example.stub_provider.openai import REQUEST_ID, fail, snapshot
from example.stub_provider.wire import Endpoint, JsonObject, Request, texts_of

if TYPE_CHECKING:
    from example.stub_provider.answers import Answer

_BYTES_PER_SECOND: Final = 1000
_SOUND: Final = b"ID3\x04\x00\x00\x00\x00\x00\x00"


def _read_form(request: Request) -> Prompt:
    texts = texts_of(request.body.get("prompt"))
    return Prompt(model=snapshot(request), last=texts[-1] if texts else "", texts=tuple(texts))


def _read_speech(request: Request) -> Prompt:
    texts = texts_of(request.body.get("input"))
    return Prompt(model=snapshot(request), last=texts[-1] if texts else "", texts=tuple(texts))


def _reply_transcription(request: Request, answer: Answer) -> JsonObject | bytes:
    wanted = request.body.get("response_format", "json")
    if wanted in ("text", "srt", "vtt"):
        return answer.text.encode()
    seconds = _seconds(request, answer)
    payload: JsonObject = {"text": answer.text}
    if wanted == "verbose_json":
        payload |= {"task": "transcribe", "language": "english", "duration": float(seconds), "segments": []}
    return payload | ({"usage": _usage(answer, seconds)} if answer.reports_usage else {})


def _usage(answer: Answer, seconds: Decimal) -> JsonObject:
    if answer.model.startswith("whisper"):
        return {"type": "duration", "seconds": float(seconds)}
    usage = answer.usage
    return {
        "type": "tokens",
        "input_tokens": usage.input_tokens,
        "input_token_details": {"text_tokens": 0, "audio_tokens": usage.input_tokens},
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def _seconds(request: Request, answer: Answer) -> Decimal:
    if answer.seconds is not None:
        return answer.seconds
    size_bytes = (request.body.get("file") or {}).get("size_bytes", 0)
    return Decimal(max(1, -(-size_bytes // _BYTES_PER_SECOND)))


def _reply_speech(request: Request, answer: Answer) -> bytes:
    """Not music, but as long as the text is."""
    return _SOUND + str(request.body.get("input", "")).encode()


def _transcription_type(request: Request) -> str:
    return "text/plain; charset=utf-8" if request.body.get("response_format") in ("text", "srt", "vtt") else ""


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path=re.compile(r"/audio/transcriptions$"),
        read=_read_form,
        reply=_reply_transcription,
        fail=fail,
        request_id_header=REQUEST_ID,
        media_type=_transcription_type,
        reports_cost=False,
    ),
    Endpoint(
        method="POST",
        path=re.compile(r"/audio/speech$"),
        read=_read_speech,
        reply=_reply_speech,
        fail=fail,
        request_id_header=REQUEST_ID,
        media_type=lambda _: "audio/mpeg",
        is_billed=False,
        reports_cost=False,
    ),
)
