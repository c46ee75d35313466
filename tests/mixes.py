"""Random mixes of calls, through the front door and past it: of every outcome, to several models in two currencies, against the stub."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.adapters.django.models import LLMConfig, LLMPrice
from agentcore_metering.core.providers import get_provider
from example.stub_provider import StubProvider, directive
from tests.django.builders import make_stub_config

MODELS = (
    ("openai", "gpt-4o-mini", {}),
    ("anthropic", "claude-haiku-4-5", {}),
    ("gemini", "gemini-2.5-flash", {}),
    ("openai_compatible", "house-model", {}),
    ("openai_compatible", "unpriced-model", {}),
)
CNY_MODEL = "house-model"


@dataclass(frozen=True)
class MixedCall:
    """One call that is to be made."""

    number: int
    kind: str
    model_uuid: Any
    tokens: dict[str, int]


def make_models(stub: StubProvider) -> list[Any]:
    """The configurations' ids. One model has a price in yuan, one has none."""
    LLMPrice.objects.create(
        model_pattern=CNY_MODEL, currency="CNY", input_per_1m=Decimal("0.123457"), output_per_1m=Decimal("7.654321")
    )
    return [make_stub_config(stub, provider, model).uuid for provider, model, _ in MODELS]


def make_mix(seed: int, count: int, models: Sequence[Any], kinds: Collection[str] = ()) -> list[MixedCall]:
    """Every kind and every model at least once where `count` allows, then at random; the same for the same seed.

    The kinds are the tracker's unless others are named.
    """
    random = Random(seed)
    kinds, mix = sorted(kinds or KINDS), []
    for number in range(count):
        kind = kinds[number % len(kinds)] if number < len(kinds) else random.choice(kinds)
        in_, out = random.randrange(1, 5000), random.randrange(1, 900)
        tokens = {"in_": in_, "out": out, "cached": random.randrange(in_), "reasoning": random.randrange(out)}
        # Of the wire formats here only OpenAI's can report a cost.
        model = models[0] if kind == "provider_cost" else models[number % len(models)]
        mix.append(MixedCall(number, kind, model, tokens))
    random.shuffle(mix)
    return mix


def perform(call: MixedCall) -> None:
    """Make the call, whose outcome is part of the mix."""
    (KINDS | DIRECT_KINDS)[call.kind](call)


def _ask(call: MixedCall, text: str = "", **options: Any) -> Any:
    words = f"{call.kind} {call.number} " + text
    return LLMTracker.call_and_track(
        messages=[{"role": "user", "content": words}], model_uuid=call.model_uuid, **options
    )


def _ok(call: MixedCall) -> None:
    _ask(call, directive(**call.tokens, text="yes"))


def _stream(call: MixedCall) -> None:
    list(_ask(call, directive(**call.tokens, text="yes indeed", chunks=4), stream=True))


def _closed_stream(call: MixedCall) -> None:
    stream = _ask(call, directive(**call.tokens, text="yes indeed", chunks=4), stream=True)
    next(stream)
    stream.close()


def _unread_stream(call: MixedCall) -> None:
    _ask(call, directive(**call.tokens, text="yes"), stream=True).close()


def _refused(call: MixedCall) -> None:
    _fails(call, directive(status=404, text="no such model"))


def _retried(call: MixedCall) -> None:
    again = directive(
        status=429, retry_after=0, fail_times=1, key=f"mix-{call.number}-{call.model_uuid}", **call.tokens
    )
    _ask(call, again)


def _json_twice(call: MixedCall) -> None:
    _fails(call, directive(**call.tokens, text="[1]"), json_mode=True, json_attempts=2)


def _provider_cost(call: MixedCall) -> None:
    _ask(call, directive(**call.tokens, cost=f"0.{call.number + 1:012d}"))


def _fails(call: MixedCall, text: str, **options: Any) -> None:
    try:
        _ask(call, text, **options)
    except Exception:  # noqa: BLE001 - whichever class the provider's error has
        return
    raise AssertionError(f"{call} was to fail")


def _arguments(call: MixedCall, text: str, **options: Any) -> dict[str, Any]:
    config = LLMConfig.objects.get(uuid=call.model_uuid)
    return {
        "model": f"{get_provider(config.provider).litellm_name}/{config.config['model']}",
        "messages": [{"role": "user", "content": f"{call.kind} {call.number} " + text}],
        "api_key": config.config["api_key"],
        "api_base": config.config["api_base"],
        "num_retries": 0,
        "max_retries": 0,
        **({"stream_options": {"include_usage": True}} if options.get("stream") else {}),
        **options,
    }


def _litellm(call: MixedCall, text: str, **options: Any) -> Any:
    return importlib.import_module("litellm").completion(**_arguments(call, text, **options))


def _direct(call: MixedCall) -> None:
    _litellm(call, directive(**call.tokens, text="yes"))


def _direct_async(call: MixedCall) -> None:
    litellm = importlib.import_module("litellm")
    arguments = _arguments(call, directive(**call.tokens, text="yes"))

    asyncio.run(litellm.acompletion(**arguments))


def _direct_stream(call: MixedCall) -> None:
    list(_litellm(call, directive(**call.tokens, text="yes indeed", chunks=4), stream=True))


def _direct_dropped(call: MixedCall) -> None:
    stream = _litellm(call, directive(**call.tokens, text="yes indeed", chunks=4), stream=True)
    next(stream)
    del stream


def _direct_refused(call: MixedCall) -> None:
    try:
        _litellm(call, directive(status=404, text="no such model"))
    except Exception:  # noqa: BLE001 - whichever class the provider's error has
        return
    raise AssertionError(f"{call} was to fail")


KINDS: dict[str, Callable[[MixedCall], None]] = {
    "ok": _ok,
    "stream": _stream,
    "closed_stream": _closed_stream,
    "unread_stream": _unread_stream,
    "refused": _refused,
    "retried": _retried,
    "json_twice": _json_twice,
    "provider_cost": _provider_cost,
}

DIRECT_KINDS: dict[str, Callable[[MixedCall], None]] = {
    "direct": _direct,
    "direct_async": _direct_async,
    "direct_stream": _direct_stream,
    "direct_dropped": _direct_dropped,
    "direct_refused": _direct_refused,
}
"""Calls of LiteLLM itself, which are counted where they are instrumented."""

ALL_KINDS = (*KINDS, *DIRECT_KINDS)
