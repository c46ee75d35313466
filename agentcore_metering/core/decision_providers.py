"""Who answers decisions, and what a configuration of a decision model needs: one row for each provider that an admin can pick.

Which of them LiteLLM speaks with, and how, is LiteLLM's own to know; one that is not listed here is taken as LiteLLM's name for a provider.
Source of the rows: the reference's list, which is that of LiteLLM 1.104.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agentcore_metering.core.errors import ConfigError
from agentcore_metering.core.texts import Text

__all__ = ["DECISIONS", "DECISION_PROVIDERS", "DecisionProvider", "decision_options"]

DECISIONS = "decisions"
"""LiteLLM's function."""

NO_KEY = "none"
"""Sent where no key is needed: without one LiteLLM would send a key of the server's environment."""

_CLOUDFLARE_ACCOUNT = re.compile(r"\A[0-9a-fA-F]{32}\Z")
_CLOUDFLARE = "https://api.cloudflare.com/client/v4/accounts/{}/ai/run"
_PATHS = ("/decisions", "/systemone")


@dataclass(frozen=True, slots=True)
class DecisionProvider:
    """One provider of decision models."""

    id: str
    label: str
    default_model: str = ""
    """What a form proposes; a configuration has to name its model."""
    default_api_base: str = ""
    needs_api_base: bool = False
    needs_api_key: bool = True
    needs_account_id: bool = False
    is_chat_too: bool = False
    """Whether it has language models as well, so that a configuration of it need not be one of a decision model."""

    @property
    def required(self) -> tuple[str, ...]:
        """The keys without which a configuration cannot be called."""
        needs = (
            (True, "model"),
            (self.needs_api_key, "api_key"),
            (self.needs_api_base, "api_base"),
            (self.needs_account_id, "account_id"),
        )
        return tuple(key for is_needed, key in needs if is_needed)


_LISTED = (
    DecisionProvider("typesafe", "TypeSafe (Jev)", "jev-latest", "https://api.typesafe.ai"),
    DecisionProvider("cloudflare", "Cloudflare (Clef)", "clef-flash", needs_account_id=True),
    DecisionProvider("perplexity", "Perplexity", "pplx-decider-v1-27b", "https://api.perplexity.ai"),
    DecisionProvider("openai", "OpenAI", "gpt-6-luna", "https://api.openai.com/v1", is_chat_too=True),
    DecisionProvider("openrouter", "OpenRouter", "typesafe/jev-1.13", "https://openrouter.ai/api", is_chat_too=True),
    DecisionProvider(
        "strands_decider",
        "Strands Decider",
        "strands-decider-2B-hobson-v19",
        needs_api_base=True,
        needs_api_key=False,
    ),
    DecisionProvider("litellm_proxy", "LiteLLM Proxy", needs_api_base=True, is_chat_too=True),
    DecisionProvider("openai_compatible", "OpenAI compatible", needs_api_base=True, is_chat_too=True),
)

DECISION_PROVIDERS: Mapping[str, DecisionProvider] = {provider.id: provider for provider in _LISTED}
"""By id, in the order in which an admin sees them."""


def decision_options(provider_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options by which a decision is asked for: with the provider's own address, and something in the place of a key that is not needed.

    Raises:
        ConfigError: a required key is missing, or an address or account cannot be used.
    """
    provider = DECISION_PROVIDERS.get(provider_id) or DecisionProvider(provider_id, provider_id)
    api_base = options.get("api_base") or _own_address(provider, options)
    full = {**options, **({"api_base": api_base} if api_base else {})}
    missing = [key for key in provider.required if not full.get(key) and not (key == "account_id" and api_base)]
    if missing:
        raise ConfigError(
            Text(
                "The configuration of a decision model of %(provider)s is incomplete. Missing: %(missing)s.",
                {"provider": provider.label, "missing": ", ".join(missing)},
            )
        )
    if api_base and urlsplit(str(api_base)).path.rstrip("/").endswith(_PATHS):
        raise ConfigError(Text("api_base is the address before /decisions: leave that part of it out."))
    return full if full.get("api_key") or provider.needs_api_key else {**full, "api_key": NO_KEY}


def _own_address(provider: DecisionProvider, options: Mapping[str, Any]) -> str:
    account = options.get("account_id")
    if not provider.needs_account_id or not account:
        return provider.default_api_base
    if not isinstance(account, str) or not _CLOUDFLARE_ACCOUNT.match(account.strip()):
        raise ConfigError(Text("account_id must be the 32 hexadecimal digits of an account."))
    return _CLOUDFLARE.format(account.strip())
