"""Configuration + call arguments -> one `CallRequest`: what LiteLLM is given, and what span and row say was asked for.

Leaves to others: which configuration applies (the adapter), how often it is sent (`retry`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agentcore_metering.constants import THINKING_OFF_PREFIXES
from agentcore_metering.core.arguments import CallArguments, OperationArguments
from agentcore_metering.core.decision_providers import DECISIONS, decision_options
from agentcore_metering.core.errors import ConfigError
from agentcore_metering.core.operations import OPERATIONS, OperationSpec
from agentcore_metering.core.options import cost_currency_of, retries_of, seconds_of, timeout_of
from agentcore_metering.core.providers import Provider, get_provider, semconv_provider_name
from agentcore_metering.core.routing import find_route
from agentcore_metering.core.texts import Text
from agentcore_metering.core.types import CallRequest, ModelConfig, ModelTarget

__all__ = [
    "RequestPolicy",
    "build_request",
    "litellm_params",
    "server_of",
    "span_parameters",
]

_FORWARDED_KEYS = (
    "api_key",
    "api_base",
    "api_version",
    "organization",
    "extra_headers",
    "extra_body",
    "service_tier",
    "drop_params",
    "allowed_openai_params",
    "additional_drop_params",
    "azure_ad_token",
    "azure_password",
    "azure_scope",
    "azure_username",
    "client_id",
    "client_secret",
    "tenant_id",
    "aws_access_key_id",
    "aws_bedrock_runtime_endpoint",
    "aws_external_id",
    "aws_profile_name",
    "aws_region_name",
    "aws_role_name",
    "aws_secret_access_key",
    "aws_session_name",
    "aws_session_token",
    "aws_sts_endpoint",
    "aws_web_identity_token",
    "vertex_credentials",
    "vertex_location",
    "vertex_project",
    "project_id",
    "region_name",
    "space_id",
    "token",
)
"""Configuration keys that every LiteLLM function is given as they are. Any other key is the host's own and stays here.

Which sampling keys a function is given besides says `operations`.
"""

SPAN_PARAMETERS = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "seed",
    "top_k",
    "n",
    "reasoning_effort",
    "response_format",
    "dimensions",
    "encoding_format",
)
_SPAN_NAMES = {"max_output_tokens": "max_tokens", "reasoning": "reasoning_effort"}
"""What the Responses API calls otherwise."""

_TARGET_KEYS = ("model", "api_base", "service_tier")
"""Arguments of a call that decide, over the configuration, whom it goes to."""

_NO_EFFORT_WITH_TOOLS = ("gpt-6-", "openai/gpt-6-")
"""LiteLLM models that refuse tools by chat completions as long as they may reason."""


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """What the host has decided for all of its requests."""

    redact_exceptions: bool = True
    thinking_off_prefixes: tuple[str, ...] = THINKING_OFF_PREFIXES


DEFAULT_POLICY = RequestPolicy()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a configuration says of every call of one function, worked out once."""

    params: Mapping[str, Any]
    nested: tuple[str, ...]
    """The params that LiteLLM could change from inside, so that each call is given its own."""
    target: ModelTarget
    max_retries: int
    idle_timeout_s: float | None
    total_timeout_s: float | None

    def own_params(self) -> dict[str, Any]:
        """The params for one call."""
        params = dict(self.params)
        for name in self.nested:
            params[name] = deepcopy(params[name])
        return params


def build_request(
    config: ModelConfig, arguments: CallArguments | OperationArguments, policy: RequestPolicy = DEFAULT_POLICY
) -> CallRequest:
    """The request for these arguments by this configuration.

    Raises:
        ConfigError: the configuration lacks a required key or has an impossible value.
    """
    call = arguments.as_operation() if isinstance(arguments, CallArguments) else arguments
    spec = OPERATIONS[call.function]
    plan = _plan_of(config, call)
    params = plan.own_params()
    _apply(_call_params(spec, call), params)
    _apply_model_rules(params, policy)
    return CallRequest(
        target=plan.target,
        arguments=params,
        timeout_s=params["timeout"],
        max_retries=plan.max_retries,
        parameters=span_parameters(params),
        secrets=config.secrets,
        redact_exceptions=policy.redact_exceptions,
        function=call.function,
        output_type=spec.output_type,
        idle_timeout_s=plan.idle_timeout_s,
        total_timeout_s=plan.total_timeout_s,
    )


def _plan_of(config: ModelConfig, call: OperationArguments) -> _Plan:
    given = {name: value for name in _TARGET_KEYS if (value := call.given.get(name)) is not None}
    if given:
        return _make_plan(config, call, given)
    key = call.function, call.is_streaming
    plan: _Plan | None = config.plans.get(key)
    if plan is None:
        plan = config.plans[key] = _make_plan(config, call, given)
    return plan


def _make_plan(config: ModelConfig, call: OperationArguments, given: Mapping[str, Any]) -> _Plan:
    options = _with_model(config.options, given.get("model"))
    params = litellm_params(config.provider, options, call.function)
    max_retries = params.pop("num_retries")
    spec = OPERATIONS[call.function]
    return _Plan(
        params=params,
        nested=tuple(name for name, value in params.items() if isinstance(value, (dict, list))),
        target=_target(config, options, spec, {**params, **given}, is_streaming=call.is_streaming),
        max_retries=max_retries,
        idle_timeout_s=seconds_of(options, "stream_idle_timeout_seconds"),
        total_timeout_s=seconds_of(options, "stream_total_timeout_seconds"),
    )


def litellm_params(provider_id: str, options: Mapping[str, Any], function: str = "completion") -> dict[str, Any]:
    """LiteLLM's keyword arguments for a configuration, with `timeout` in seconds and `num_retries`.

    Raises:
        ConfigError: a required key is missing, `request_timeout_seconds` is not a positive number, or `num_retries` is not a whole
            number from 0 to 10.
    """
    provider = get_provider(provider_id)
    if function == DECISIONS:
        options = decision_options(provider_id, options)
    _require_keys(provider, options)
    route = find_route(provider, _model(provider, options), function)
    names = {**{key: key for key in _FORWARDED_KEYS}, **OPERATIONS[function].sampling}
    params = {names[key]: options[key] for key in names if options.get(key) is not None}
    params["model"] = route.litellm_model
    if route.custom_llm_provider is not None:
        params["custom_llm_provider"] = route.custom_llm_provider
    if "api_base" not in params and provider.sends_api_base and not route.is_foreign_to(provider):
        params["api_base"] = provider.public_api_base
    params["timeout"] = timeout_of(options.get("request_timeout_seconds"))
    params["num_retries"] = retries_of(options.get("num_retries"))
    params.setdefault("drop_params", True)
    return params


def _with_model(options: Mapping[str, Any], model: Any) -> Mapping[str, Any]:
    return options if model is None else {**options, "model": model, "deployment": None}


def _call_params(spec: OperationSpec, call: OperationArguments) -> dict[str, Any]:
    params: dict[str, Any] = {name: value for name, value in call.given.items() if name != "model"}
    if call.litellm_metadata:
        params[spec.litellm_metadata] = dict(call.litellm_metadata)
    if call.is_streaming:
        params["stream"] = True
    if call.is_streaming and call.function != "responses":
        # Without it most providers send no usage at all at the end of a stream; the Responses API always does.
        params["stream_options"] = {"include_usage": True}
    if call.traceparent:
        params["proxy_server_request"] = {"headers": {"traceparent": call.traceparent}}
    return {name: value for name, value in params.items() if value is not None}


def _apply(given: Mapping[str, Any], params: dict[str, Any]) -> None:
    """Let what was passed win over what is configured; of headers and bodies, key by key."""
    for name, value in given.items():
        known = params.get(name)
        if name in ("extra_headers", "extra_body") and isinstance(known, Mapping) and isinstance(value, Mapping):
            params[name] = {**known, **value}
        else:
            params[name] = value


def _apply_model_rules(params: dict[str, Any], policy: RequestPolicy) -> None:
    """What single families of models need for the same words to mean the same."""
    model: str = params["model"]
    if params.get("tools") and model.startswith(_NO_EFFORT_WITH_TOOLS) and "messages" in params:
        params["reasoning_effort"] = "none"
    if params.get("reasoning_effort") == "none" and model.startswith(policy.thinking_off_prefixes):
        body = params.get("extra_body") or {}
        params["extra_body"] = {"thinking": {"type": "disabled"}, **body}


def span_parameters(params: Mapping[str, Any]) -> dict[str, Any]:
    """The sampling parameters among LiteLLM's arguments, by the names that spans know."""
    named = {_SPAN_NAMES.get(name, name): value for name, value in params.items() if value is not None}
    return {name: named[name] for name in SPAN_PARAMETERS if name in named}


def _target(
    config: ModelConfig,
    options: Mapping[str, Any],
    spec: OperationSpec,
    params: Mapping[str, Any],
    *,
    is_streaming: bool,
) -> ModelTarget:
    provider = get_provider(config.provider)
    route = find_route(provider, _model(provider, options), spec.function)
    public_api_base = None if route.is_foreign_to(provider) else provider.public_api_base
    address, port = server_of(params.get("api_base") or public_api_base)
    return ModelTarget(
        operation=spec.operation,
        provider=provider.id,
        provider_name=semconv_provider_name(route.litellm_provider),
        request_model=route.request_model,
        litellm_model=route.litellm_model,
        is_streaming=is_streaming,
        server_address=address,
        server_port=port,
        config_uuid=config.uuid,
        config_scope=config.scope,
        requested_service_tier=str(params["service_tier"]) if params.get("service_tier") else None,
        cost_currency=cost_currency_of(config.options),
    )


def _require_keys(provider: Provider, options: Mapping[str, Any]) -> None:
    missing = [key for key in provider.required if not options.get(key)]
    if missing:
        needed = _all_of(provider.required)
        raise ConfigError(
            Text(
                "%(provider)s configuration is incomplete. Set %(needed)s. Missing: %(missing)s.",
                {"provider": provider.label, "needed": needed, "missing": ", ".join(missing)},
            )
        )


def _all_of(keys: tuple[str, ...]) -> Text:
    first, *others = keys
    text = Text(first)
    for key in others:
        text = Text("%(keys)s and %(key)s", {"keys": text, "key": key})
    return text


def _model(provider: Provider, options: Mapping[str, Any]) -> str:
    """The model's id as an admin wrote it."""
    model = options.get("deployment") if provider.id == "azure_openai" else None
    model = model or options.get("model") or provider.default_model
    if not isinstance(model, str) or not model.strip():
        raise ConfigError(
            Text(
                "%(provider)s configuration names no usable model: %(model)r. Set model to the model's id.",
                {"provider": provider.label, "model": model},
            )
        )
    return model


def server_of(api_base: str | None) -> tuple[str | None, int | None]:
    """Host and port of an endpoint; None each where they are not known."""
    if not api_base:
        return None, None
    try:
        parts = urlsplit(api_base)
        return parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None, None
