"""`llm-config/decision-test`: questions about a text to a decision model, as a call like any other."""

from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agentcore_metering.adapters.django.api.errors import bad_request
from agentcore_metering.adapters.django.api.schema import TRIAL_REFUSED, answers
from agentcore_metering.adapters.django.api.serializers.trials import (
    DecisionResultSerializer,
    DecisionTrialSerializer,
)
from agentcore_metering.adapters.django.api.single_trial import SingleTrial
from agentcore_metering.adapters.django.api.views.base import TAG, read_body
from agentcore_metering.adapters.django.api.views.trials import TrialView, run_trial
from agentcore_metering.adapters.django.config.candidates import form_candidate, stored_candidate
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.trackers.trial import DecisionTrial
from agentcore_metering.core.errors import ConfigError, EndpointRefused, SecretUnavailable
from agentcore_metering.core.types import ModelConfig

__all__ = ["DecisionTestView"]


class DecisionTestView(TrialView):
    """Typed questions about a text."""

    node_name = "admin_decision_test"

    @extend_schema(
        tags=[TAG],
        summary="Try questions to a decision model",
        request=DecisionTrialSerializer,
        responses={**answers(DecisionResultSerializer, 404, 415, 429), 400: TRIAL_REFUSED},
    )
    def post(self, request: Request) -> Response:
        """By the stored configuration `config_uuid`, or by `provider` and `config`; 400 where that cannot be used."""
        body = read_body(DecisionTrialSerializer, request)
        sent = body.validated_data
        trial = DecisionTrial(
            self._find(request, body), sent["input"], sent["questions"], self.node_name, request.user.pk
        )
        with SingleTrial.begin(request, trial.silence_s):
            result = run_trial(trial)
        if result.get("error_key") in _UNUSABLE:
            raise bad_request(result["detail"])
        return Response({"answers" if key == "content" else key: value for key, value in result.items()})

    def _find(self, request: Request, body: DecisionTrialSerializer) -> ModelConfig:
        sent, rows = body.validated_data, self.visible(request)
        if sent["config_uuid"] is None:
            return form_candidate(rows, sent["provider"], sent["config"], None, None)
        found = stored_candidate(rows, sent["config_uuid"], None, LLMConfig.MODEL_TYPE_DECISION)
        return found if found is not None else self.refuse_unknown()

    def refuse_unknown(self) -> ModelConfig:
        """Say that there is no such configuration; existing callers know this by 400."""
        raise bad_request(_("There is no active decision model configuration with this uuid."))


_UNUSABLE = frozenset(kind.code for kind in (ConfigError, EndpointRefused, SecretUnavailable))
"""Error keys of configurations by which nothing was sent."""
