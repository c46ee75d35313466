"""What this product itself knows of each provider: label, LiteLLM's name for it, the OpenTelemetry name, what a configuration needs.

Models, modes, context sizes and prices are LiteLLM's data and are not repeated here. A provider that is not listed is taken to be a
LiteLLM provider name and works with the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["PROVIDERS", "PrefixRule", "Provider", "get_provider", "provider_named", "semconv_provider_name"]

PrefixRule = Literal["always", "plain", "whole"]
"""When LiteLLM's prefix is put before a model: `always` unless it is there already, only to `plain` names without a slash, or to
every `whole` id, even to one that begins as the prefix does."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider as an admin picks it."""

    id: str
    label: str
    litellm_name: str
    """LiteLLM's `custom_llm_provider`, the prefix of its model strings."""
    default_model: str | None = None
    """The model of a configuration that names none. Changing one changes which model existing rows call: do not."""
    required: tuple[str, ...] = ("api_key",)
    prefix_rule: PrefixRule = "plain"
    public_api_base: str | None = None
    """The vendor's public endpoint: for the catalogue and for `server.address`."""
    sends_api_base: bool = False
    """Whether `public_api_base` is sent when a configuration has none, because LiteLLM's own default is another region's."""
    is_gateway: bool = False
    """A gateway of somebody else's: never charged by the list price of the model that it claims to serve."""


_LISTED = (
    Provider("agione", "AGIOne", "openai", required=("api_key", "api_base"), prefix_rule="whole", is_gateway=True),
    Provider("openai", "OpenAI", "openai", "gpt-4o-mini", public_api_base="https://api.openai.com/v1"),
    Provider(
        "openai_compatible",
        "OpenAI compatible",
        "openai",
        required=("api_key", "api_base"),
        prefix_rule="whole",
        is_gateway=True,
    ),
    Provider(
        "azure_openai", "Azure OpenAI", "azure", "gpt-4o-mini", required=("api_key", "api_base"), prefix_rule="always"
    ),
    Provider(
        "gemini",
        "Google Gemini",
        "gemini",
        "gemini-2.0-flash",
        public_api_base="https://generativelanguage.googleapis.com",
    ),
    Provider(
        "anthropic", "Anthropic", "anthropic", "claude-3-5-haiku-20241022", public_api_base="https://api.anthropic.com"
    ),
    Provider("mistral", "Mistral AI", "mistral", "mistral-tiny", public_api_base="https://api.mistral.ai/v1"),
    Provider(
        "dashscope",
        "DashScope (Qwen)",
        "dashscope",
        "qwen-turbo",
        public_api_base="https://dashscope.aliyuncs.com/compatible-mode/v1",
        sends_api_base=True,
    ),
    Provider("deepseek", "DeepSeek", "deepseek", "deepseek-chat", public_api_base="https://api.deepseek.com"),
    Provider("xai", "xAI", "xai", "grok-3-mini-beta", public_api_base="https://api.x.ai/v1"),
    Provider(
        "minimax",
        "MiniMax",
        "minimax",
        "MiniMax-M2.1",
        public_api_base="https://api.minimaxi.com/v1",
        sends_api_base=True,
    ),
    Provider(
        "moonshot",
        "Moonshot AI (Kimi)",
        "moonshot",
        "moonshot-v1-8k",
        prefix_rule="always",
        public_api_base="https://api.moonshot.cn/v1",
        sends_api_base=True,
    ),
    Provider("zai", "Z.AI (GLM)", "zai", "glm-4.5-flash"),
    Provider("volcengine", "Volcengine (Doubao)", "volcengine", "doubao-pro-32k"),
    Provider("meta_llama", "Meta Llama API", "meta_llama", "Llama-3.3-8B-Instruct"),
    Provider("amazon_nova", "Amazon Nova", "amazon_nova", "nova-micro-v1"),
    Provider("nvidia_nim", "NVIDIA NIM", "nvidia_nim", "meta/llama3-8b", prefix_rule="always"),
    Provider(
        "openrouter",
        "OpenRouter",
        "openrouter",
        "google/gemma-2-9b-it:free",
        # Its model ids have a slash of their own: by the plain rule every one of them would go to another provider.
        prefix_rule="always",
        public_api_base="https://openrouter.ai/api/v1",
    ),
    Provider(
        "litellm_proxy",
        "LiteLLM Proxy",
        "litellm_proxy",
        required=("api_key", "api_base"),
        prefix_rule="always",
        is_gateway=True,
    ),
)

_WITHOUT_API_KEY = frozenset({"bedrock", "hosted_vllm", "lm_studio", "ollama", "ollama_chat", "sagemaker", "vertex_ai"})
"""LiteLLM providers that take credentials of another kind from the configuration or the machine, or need none."""

PROVIDERS: dict[str, Provider] = {provider.id: provider for provider in _LISTED}
"""The listed providers by id, in the order in which an admin sees them."""

_SEMCONV_NAMES = {
    "azure": "azure.ai.openai",
    "azure_text": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "anthropic_text": "anthropic",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "amazon_nova": "aws.bedrock",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "cohere_chat": "cohere",
    "mistral": "mistral_ai",
    "codestral": "mistral_ai",
    "xai": "x_ai",
    "watsonx": "ibm.watsonx.ai",
    "watsonx_text": "ibm.watsonx.ai",
    "moonshot": "moonshot_ai",
    "text-completion-openai": "openai",
}


def get_provider(provider_id: str) -> Provider:
    """The provider with this id; an unlisted id is taken as LiteLLM's name for a provider, which needs an `api_key` as most do.

    Many of those have slashes of their own in their models' ids, so LiteLLM's prefix is put before every one that lacks it.
    """
    listed = PROVIDERS.get(provider_id)
    if listed is not None:
        return listed
    required = () if provider_id in _WITHOUT_API_KEY else ("api_key",)
    return Provider(provider_id, provider_id, provider_id, required=required, prefix_rule="always")


def provider_named(litellm_name: str) -> Provider:
    """The provider that LiteLLM calls by this name: the vendor itself, rather than a gateway that speaks as it does."""
    own = (each for each in _LISTED if each.litellm_name == litellm_name and not each.is_gateway)
    return next(own, None) or get_provider(litellm_name)


def semconv_provider_name(litellm_name: str) -> str:
    """`gen_ai.provider.name` for a LiteLLM provider name; the name itself where the conventions have no value of their own.

    Source: GenAI semantic conventions v0.1.0, `gen_ai.provider.name`.
    """
    return _SEMCONV_NAMES.get(litellm_name, litellm_name)
