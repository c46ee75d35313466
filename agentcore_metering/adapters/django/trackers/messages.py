"""`FailureKind` -> a sentence for an end user, in the active language."""

from __future__ import annotations

from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_noop as _

from agentcore_metering.core.errors import LLMProviderError
from agentcore_metering.core.failures import classify
from agentcore_metering.core.types import FailureKind

__all__ = ["MESSAGES", "MESSAGE_IDS", "to_friendly"]

MESSAGE_IDS = {
    FailureKind.INSUFFICIENT_BALANCE: _("The account's balance is insufficient. Please top it up at the provider."),
    FailureKind.INVALID_API_KEY: _("The API key is invalid. Please check the model configuration."),
    FailureKind.AUTH_FAILED: _("The provider refused the credentials. Please check the model configuration."),
    FailureKind.RATE_LIMIT: _("The provider's rate limit is reached. Please try again later."),
    FailureKind.NOT_FOUND: _("The model or the endpoint was not found. Please check the model configuration."),
    FailureKind.TIMEOUT: _("The model did not answer in time. Please try again later."),
    FailureKind.NETWORK_ERROR: _("The provider could not be reached. Please check the network and the endpoint."),
    FailureKind.PERMISSION_DENIED: _("The API key has no permission for this model."),
    FailureKind.REGION_RESTRICTED: _("The provider does not serve this region."),
    FailureKind.BAD_REQUEST: _("The provider rejected the request."),
    FailureKind.CONTENT_POLICY: _("The provider's content policy rejected the request."),
    FailureKind.UPSTREAM_ERROR: _("The provider has an internal problem. Please try again later."),
    FailureKind.EMPTY_RESPONSE: _("The model gave an empty answer. Please try again."),
    FailureKind.INVALID_JSON: _("The model's answer could not be read. Please try again."),
    FailureKind.UNKNOWN: _("The call of the model failed."),
}
"""One for each kind, in English."""

MESSAGES = {kind: gettext_lazy(text) for kind, text in MESSAGE_IDS.items()}
"""The same. Lazy: they are read in the language that is active when they are shown, and none is activated for it."""


def to_friendly(exc: Exception) -> LLMProviderError | None:
    """The exception in words for an end user, or None when nothing better can be said than it says itself."""
    kind = classify(exc).kind
    return LLMProviderError(kind.value, str(MESSAGES[kind])) if kind is not FailureKind.UNKNOWN else None
