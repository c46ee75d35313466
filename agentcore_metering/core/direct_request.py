"""The arguments of one of LiteLLM's functions, as a host has them ready -> `CallRequest`: what span and row say was asked for.

Without a configuration: provider, model and endpoint are read from the arguments, which go to LiteLLM untouched but for the retries
and the timeout of a request that is made for the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentcore_metering.constants import LITELLM_REQUEST_TIMEOUT
from agentcore_metering.core.gateway import provider_of
from agentcore_metering.core.operations import OPERATIONS
from agentcore_metering.core.options import retries_of, timeout_of
from agentcore_metering.core.providers import Provider, provider_named, semconv_provider_name
from agentcore_metering.core.request import RequestPolicy, server_of, span_parameters
from agentcore_metering.core.types import CallRequest, ModelTarget

__all__ = ["direct_request", "ready_request"]

UNKNOWN_PROVIDER = "unknown"

_RETRIES = ("num_retries", "max_retries", "retry_policy")

_DEFAULT_MODELS = {"image_generation": "dall-e-2"}
"""What LiteLLM takes where no model is named."""

_CONTENT = frozenset(
    {
        "assets",
        "audio",
        "documents",
        "file",
        "functions",
        "images",
        "input",
        "instructions",
        "messages",
        "metadata",
        "prompt",
        "query",
        "questions",
        "state",
        "tools",
        "videos",
    }
)
"""Arguments in which nothing is looked for: their texts may be anything, and no credential belongs there."""

_PUBLIC = frozenset(
    {
        "api_base",
        "api_version",
        "base_url",
        "custom_llm_provider",
        "encoding_format",
        "fallbacks",
        "function_call",
        "language",
        "model",
        "modalities",
        "quality",
        "reasoning_effort",
        "response_format",
        "service_tier",
        "size",
        "stop",
        "style",
        "tool_choice",
        "user",
        "voice",
    }
)
"""Arguments whose own texts are no secrets; what is in a dictionary below them is judged by its own name."""


def direct_request(function: str, arguments: Mapping[str, Any]) -> CallRequest:
    """The request that a call of LiteLLM's `function` with these arguments makes.

    Its retries are LiteLLM's own affair, and an exception is the host's own to read: neither is touched.
    """
    spec = OPERATIONS[function]
    return CallRequest(
        target=_target(function, arguments),
        arguments=arguments,
        timeout_s=LITELLM_REQUEST_TIMEOUT,
        max_retries=0,
        parameters=span_parameters(arguments),
        secrets=tuple(dict.fromkeys(_secrets(arguments))),
        redact_exceptions=False,
        function=function,
        output_type=spec.output_type,
    )


def ready_request(arguments: Mapping[str, Any], policy: RequestPolicy) -> CallRequest:
    """The request of a host that has LiteLLM's arguments for `completion` ready and lets us make it: deadline and retries are ours.

    Raises:
        ConfigError: `timeout` or `num_retries` is not usable.
    """
    timeout_s = timeout_of(arguments.get("timeout"))
    sent = {key: value for key, value in arguments.items() if key not in _RETRIES}
    return replace(
        direct_request("completion", arguments),
        arguments={**sent, "timeout": timeout_s},
        timeout_s=timeout_s,
        max_retries=retries_of(arguments.get("num_retries")),
        redact_exceptions=policy.redact_exceptions,
    )


def _target(function: str, arguments: Mapping[str, Any]) -> ModelTarget:
    api_base = _api_base(arguments)
    model = str(arguments.get("model") or _DEFAULT_MODELS.get(function, ""))
    name = arguments.get("custom_llm_provider") or provider_of(model, api_base) or UNKNOWN_PROVIDER
    provider = provider_named(str(name))
    request_model = model.removeprefix(f"{name}/")
    address, port = server_of(api_base or _public_endpoint(provider))
    service_tier = arguments.get("service_tier")
    return ModelTarget(
        operation=OPERATIONS[function].operation,
        provider=provider.id,
        provider_name=semconv_provider_name(str(name)),
        request_model=request_model,
        # As the tracker's rows have it, so that one model's rows are found under one name.
        litellm_model=f"{name}/{request_model}" if name != UNKNOWN_PROVIDER else model,
        is_streaming=bool(arguments.get("stream")),
        server_address=address,
        server_port=port,
        requested_service_tier=str(service_tier) if service_tier else None,
    )


def _api_base(arguments: Mapping[str, Any]) -> str | None:
    given = arguments.get("api_base") or arguments.get("base_url")
    given = given or getattr(arguments.get("client"), "base_url", None)
    return str(given) if given else None


def _public_endpoint(provider: Provider) -> str | None:
    return None if provider.is_gateway else provider.public_api_base


def _secrets(arguments: Mapping[str, Any]) -> Iterator[str]:
    for name, value in arguments.items():
        if name == "client":
            value = getattr(value, "api_key", None)  # noqa: PLW2901 - an SDK's client has the key in the call's stead
        if name not in _CONTENT:
            yield from _texts(name, value)


def _texts(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _secrets({str(key): item for key, item in value.items()})
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(name, item)
    elif isinstance(value, str) and value and name not in _PUBLIC:
        yield value
