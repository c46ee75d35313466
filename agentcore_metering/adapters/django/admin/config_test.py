"""A test of one stored configuration: one small call through the tracker, and its outcome in words."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.adapters.django.admin.shapes import amount
from agentcore_metering.adapters.django.config.source import secret_values
from agentcore_metering.adapters.django.fields import to_exact
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.trackers.messages import MESSAGES
from agentcore_metering.constants import TEST_MAX_TOKENS
from agentcore_metering.core.errors import MeteringError, UnusableAnswer
from agentcore_metering.core.failures import classify
from agentcore_metering.core.masking import redact

__all__ = ["NODE", "Outcome", "try_config"]

logger = logging.getLogger(__name__)

NODE = "config_test"
GREETING = "Hi"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test, in the active language. Never a provider's own text, which may repeat a key."""

    has_worked: bool
    text: str


def try_config(row: LLMConfig, user_id: Any) -> Outcome:
    """Whether a call by this configuration works. Side effect: the call, with its row, span and metrics, on behalf of `user_id`."""
    if row.model_type != LLMConfig.MODEL_TYPE_LLM:
        return Outcome(False, _("Only configurations of language models can be tested here."))
    if not row.is_active:
        return Outcome(False, _("Calls may not use a configuration that is not active. Activate it to test it."))
    # Somebody else's configuration is refused to a call that names its user, so that row belongs to the configuration's owner.
    state = {"user_id": row.user_id if row.scope == LLMConfig.Scope.USER else user_id}
    messages = [{"role": "user", "content": GREETING}]
    try:
        _text, usage = LLMTracker.call_and_track(
            messages, max_tokens=TEST_MAX_TOKENS, node_name=NODE, state=state, model_uuid=row.uuid
        )
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is this test's result
        logger.info("The test of configuration %s failed: %s", row.uuid, type(exc).__name__)
        return Outcome(False, _("The test failed. %(reason)s") % {"reason": _reason(exc, row)})
    cost = None if usage["cost"] is None else to_exact(usage["cost"])
    facts = {"model": usage["model"], "tokens": usage["total_tokens"], "cost": amount(cost, usage["cost_currency"])}
    return Outcome(True, _("It works: %(model)s answered, %(tokens)s tokens, cost %(cost)s.") % facts)


def _reason(exc: Exception, row: LLMConfig) -> str:
    if isinstance(exc, MeteringError) and not isinstance(exc, UnusableAnswer):
        return redact(str(exc), secret_values(dict(row.config)) if isinstance(row.config, dict) else ())
    return str(MESSAGES[classify(exc).kind])
