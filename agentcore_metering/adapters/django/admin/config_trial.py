"""A test of one stored configuration: one small call through the tracker, and its outcome in words."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from agentcore_metering.adapters.django.admin.shapes import amount
from agentcore_metering.adapters.django.config.source import config_of
from agentcore_metering.adapters.django.fields import to_exact
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.trackers.trial import connection_trial

__all__ = ["Outcome", "try_config"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test, in the active language. Never a provider's own text, which may repeat a key."""

    has_worked: bool
    text: str


def try_config(row: LLMConfig, user_id: Any) -> Outcome:
    """Whether a call by this configuration works. Side effect: the call, with its row, span and metrics, as one of `user_id`."""
    if row.model_type not in (LLMConfig.MODEL_TYPE_LLM, LLMConfig.MODEL_TYPE_DECISION):
        return Outcome(False, _("Only configurations of language models and decision models can be tested here."))
    if not row.is_active:
        return Outcome(False, _("Calls may not use a configuration that is not active. Activate it to test it."))
    trial = connection_trial(config_of(row), user_id, decides=row.model_type == LLMConfig.MODEL_TYPE_DECISION)
    try:
        _answer, usage = trial.run()
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is this test's result
        logger.info("The test of configuration %s failed: %s", row.uuid, type(exc).__name__)
        return Outcome(False, _("The test failed. %(reason)s") % {"reason": trial.explain(exc).text})
    cost = None if usage["cost"] is None else to_exact(usage["cost"])
    facts = {
        "model": usage["model"],
        "tokens": usage["total_tokens"],
        "cost": amount(cost, usage["cost_currency"]),
    }
    return Outcome(True, _("It works: %(model)s answered, %(tokens)s tokens, cost %(cost)s.") % facts)
