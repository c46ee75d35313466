"""A provider and a model -> the string that LiteLLM routes by, and who is really called by it. Pure rules, one provider at a time."""

from __future__ import annotations

from dataclasses import dataclass

from agentcore_metering.core.providers import Provider

__all__ = ["Route", "called_provider", "find_route"]

_TEXT_FUNCTIONS = ("completion", "text_completion", "responses")


@dataclass(frozen=True, slots=True)
class Route:
    """Where LiteLLM takes a call."""

    litellm_model: str
    """The model as LiteLLM is given it."""
    litellm_provider: str
    """The LiteLLM provider that is called, whatever provider the configuration names."""
    request_model: str
    """The model as that provider is given it."""
    custom_llm_provider: str | None = None
    """What LiteLLM must be told besides, since the model's string alone would lead it elsewhere."""

    def is_foreign_to(self, provider: Provider) -> bool:
        """Whether another vendor than the configured one is called, so that the latter's endpoint is not meant."""
        return self.litellm_provider != provider.litellm_name


def find_route(provider: Provider, model: str, function: str = "completion") -> Route:
    """The route of `model`, as an admin wrote it, for one of LiteLLM's functions."""
    if provider.id == "agione":
        return _agione(model, function)
    if provider.id == "litellm_proxy" and function == "decisions":
        # LiteLLM has no such route to itself; its server speaks OpenAI's format.
        return Route(f"openai/{model}", "openai", model, "openai")
    name, custom = provider.litellm_name, provider.litellm_name if _must_be_told(provider) else None
    prefix = f"{name}/"
    if model.startswith(prefix) and provider.prefix_rule != "whole":
        return Route(model, name, model.removeprefix(prefix), custom)
    if provider.prefix_rule == "plain" and "/" in model:
        # It carries the prefix of another LiteLLM provider, which then is the one that answers.
        other, _, rest = model.partition("/")
        return Route(model, other, rest)
    return Route(prefix + model, name, model, custom)


def called_provider(provider: Provider, litellm_model: str) -> str:
    """The LiteLLM provider that answers `litellm_model`, which is a route's; of a gateway the one whose protocol it speaks."""
    prefix, slash, _ = litellm_model.partition("/")
    return prefix if slash and provider.prefix_rule == "plain" else provider.litellm_name


def _must_be_told(provider: Provider) -> bool:
    return provider.litellm_name != provider.id and provider.is_gateway


def _agione(model: str, function: str) -> Route:
    """AGIOne refuses a model on another protocol than its family's, and wants its id whole: `openai/gpt-5.4-nano/d688d`."""
    family = model.partition("/")[0].casefold()
    if family == "anthropic" and function in _TEXT_FUNCTIONS:
        return Route(f"anthropic/{model}", "anthropic", model, "anthropic")
    if family == "openai" and function == "completion":
        # LiteLLM's marker for a chat call that goes by the Responses API.
        return Route(f"openai/responses/{model}", "openai", model, "openai")
    return Route(f"openai/{model}", "openai", model, "openai")
