"""Configuration + call arguments -> one `CallRequest`: what LiteLLM is given, and what span and row say was asked for.

Leaves to others: which configuration applies (the adapter), how often it is sent (`retry`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from agentcore_metering.constants import LITELLM_NUM_RETRIES, LITELLM_REQUEST_TIMEOUT
from agentcore_metering.core.errors import ConfigError, RequestError
from agentcore_metering.core.providers import Provider, get_provider, semconv_provider_name
from agentcore_metering.core.types import EMPTY, CallRequest, ModelConfig, ModelTarget, Operation

__all__ = ["CallArguments", "build_request", "litellm_params", "require_messages"]

MAX_NUM_RETRIES = 10

PASSED_KEYS = (
    "api_key",
    "api_base",
    "api_version",
    "organization",
    "extra_headers",
    "max_tokens",
    "temperature",
    "top_p",
)
"""Configuration keys that LiteLLM is given under the same name. Any other key is the host's own and stays here."""

SPAN_PARAMETERS = (
    "temperature",
    "top_p",
    "max_tokens",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "seed",
    "top_k",
    "n",
    "reasoning_effort",
    "response_format",
)


@dataclass(frozen=True, slots=True)
class CallArguments:
    """What the caller passed. None means: not passed, so the configuration or the provider decides."""

    messages: Any = field(repr=False)
    """Forwarded as the same object."""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: str | None = None
    response_format: Any = None
    tools: Any = field(default=None, repr=False)
    tool_choice: Any = None
    is_streaming: bool = False
    litellm_metadata: Mapping[str, Any] = field(default_factory=lambda: EMPTY, repr=False)
    """Merged into LiteLLM's `metadata`, which its own callbacks read; not sent to the provider."""
    traceparent: str | None = None
    """Passed to LiteLLM's own OpenTelemetry integration, which looks for it in `proxy_server_request`."""


def require_messages(messages: Any) -> None:
    """Refuse a call without messages before anything is looked up for it.

    Raises:
        RequestError: there are none.
    """
    if not messages:
        raise RequestError("Messages cannot be empty: pass at least one, for example {'role': 'user', 'content': 'Hi'}")


def build_request(config: ModelConfig, arguments: CallArguments, *, redact_exceptions: bool = True) -> CallRequest:
    """The request for these arguments by this configuration.

    Raises:
        ConfigError: the configuration lacks a required key or has an impossible value.
    """
    params = litellm_params(config.provider, config.options)
    max_retries = params.pop("num_retries")
    params.update(_call_params(arguments))
    return CallRequest(
        target=_target(config, params, is_streaming=arguments.is_streaming),
        arguments=params,
        timeout_s=params["timeout"],
        max_retries=max_retries,
        parameters={name: params[name] for name in SPAN_PARAMETERS if params.get(name) is not None},
        secrets=config.secrets,
        redact_exceptions=redact_exceptions,
    )


def litellm_params(provider_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """LiteLLM's keyword arguments for a configuration, with `timeout` in seconds and `num_retries`.

    Raises:
        ConfigError: a required key is missing, `request_timeout_seconds` is not a positive number, or `num_retries` is not a whole
            number from 0 to 10.
    """
    provider = get_provider(provider_id)
    _require_keys(provider, options)
    params = {key: options[key] for key in PASSED_KEYS if options.get(key) is not None}
    params["model"] = _litellm_model(provider, options)
    if provider.litellm_name != provider.id and provider.is_gateway:
        params["custom_llm_provider"] = provider.litellm_name
    if "api_base" not in params and provider.sends_api_base:
        params["api_base"] = provider.public_api_base
    params["timeout"] = _timeout_s(options.get("request_timeout_seconds"))
    params["num_retries"] = _num_retries(options.get("num_retries"))
    params["drop_params"] = True
    return params


def _call_params(arguments: CallArguments) -> dict[str, Any]:
    params: dict[str, Any] = {
        "messages": arguments.messages,
        "max_tokens": arguments.max_tokens,
        "temperature": arguments.temperature,
        "top_p": arguments.top_p,
        "reasoning_effort": arguments.reasoning_effort,
        "response_format": arguments.response_format,
        "tools": arguments.tools,
        "tool_choice": arguments.tool_choice,
        "metadata": dict(arguments.litellm_metadata) or None,
    }
    if arguments.is_streaming:
        # Without it most providers send no usage at all at the end of a stream.
        params |= {"stream": True, "stream_options": {"include_usage": True}}
    if arguments.traceparent:
        params["proxy_server_request"] = {"headers": {"traceparent": arguments.traceparent}}
    return {name: value for name, value in params.items() if value is not None}


def _target(config: ModelConfig, params: Mapping[str, Any], *, is_streaming: bool) -> ModelTarget:
    provider = get_provider(config.provider)
    litellm_model: str = params["model"]
    address, port = _server(params.get("api_base") or provider.public_api_base)
    return ModelTarget(
        operation=Operation.CHAT,
        provider=provider.id,
        provider_name=semconv_provider_name(provider.litellm_name),
        request_model=litellm_model.removeprefix(f"{provider.litellm_name}/"),
        litellm_model=litellm_model,
        is_streaming=is_streaming,
        server_address=address,
        server_port=port,
        config_uuid=config.uuid,
        config_scope=config.scope,
    )


def _require_keys(provider: Provider, options: Mapping[str, Any]) -> None:
    missing = [key for key in provider.required if not options.get(key)]
    if missing:
        needed = " and ".join(provider.required)
        raise ConfigError(f"{provider.label} configuration is incomplete. Set {needed}. Missing: {', '.join(missing)}.")


def _litellm_model(provider: Provider, options: Mapping[str, Any]) -> str:
    model = options.get("deployment") if provider.id == "azure_openai" else None
    model = model or options.get("model") or provider.default_model
    if not isinstance(model, str) or not model.strip():
        raise ConfigError(
            f"{provider.label} configuration names no usable model: {model!r}. Set model to the model's id."
        )
    prefix = f"{provider.litellm_name}/"
    if model.startswith(prefix) or (provider.prefix_rule == "plain" and "/" in model):
        return model
    return prefix + model


def _timeout_s(value: Any) -> int:
    if value is None:
        return LITELLM_REQUEST_TIMEOUT
    try:
        seconds = int(value)
    except (TypeError, ValueError, OverflowError):
        seconds = 0
    if isinstance(value, bool) or seconds <= 0:
        raise ConfigError(f"request_timeout_seconds must be a whole number of seconds above 0, not {value!r}.")
    return seconds


def _num_retries(value: Any) -> int:
    if value is None:
        return LITELLM_NUM_RETRIES
    is_whole = isinstance(value, int) or (isinstance(value, str) and value.strip().isdigit())
    if isinstance(value, bool) or not is_whole or not 0 <= int(value) <= MAX_NUM_RETRIES:
        raise ConfigError(f"num_retries must be a whole number from 0 to {MAX_NUM_RETRIES}, not {value!r}.")
    return int(value)


def _server(api_base: str | None) -> tuple[str | None, int | None]:
    if not api_base:
        return None, None
    try:
        parts = urlsplit(api_base)
        return parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None, None
