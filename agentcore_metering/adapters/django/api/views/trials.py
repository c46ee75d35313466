"""`llm-config/test/` and `llm-config/test-call/`: does a configuration work? Both are calls like any other, with rows and spans."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_400_BAD_REQUEST
from rest_framework.throttling import BaseThrottle

from agentcore_metering.adapters.django.api.event_stream import event_stream, failed_stream
from agentcore_metering.adapters.django.api.limits import TrialThrottle
from agentcore_metering.adapters.django.api.schema import TRIAL_REFUSED, answers
from agentcore_metering.adapters.django.api.serializers.trials import (
    TrialCallSerializer,
    TrialConfigSerializer,
    TrialResultSerializer,
)
from agentcore_metering.adapters.django.api.single_trial import SingleTrial
from agentcore_metering.adapters.django.api.views.base import TAG, ConfigsView, read_body
from agentcore_metering.adapters.django.config.candidates import form_candidate, stored_candidate
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.trackers.trial import (
    CALL_NODE,
    DecisionTrial,
    Trial,
    Verdict,
    connection_trial,
)
from agentcore_metering.core.errors import ConfigError, ConfigNotFound

__all__ = ["ConfigTestView", "TestCallView", "TrialView", "run_trial"]


class TrialView(ConfigsView):
    """A view that answers `{"ok": ...}`, also where the request itself is wrong.

    It calls a provider, so there is a limit to how often, and a user's tests run one after the other.
    """

    def get_throttles(self) -> list[BaseThrottle]:
        """The host's, and our own."""
        return [*super().get_throttles(), TrialThrottle()]

    def handle_exception(self, exc: Exception) -> Response:
        """As every view's, a 400 as `{"ok": false, "detail": {field: texts}}`."""
        response = super().handle_exception(exc)
        if response.status_code == HTTP_400_BAD_REQUEST:
            detail = response.data
            is_one_text = isinstance(detail, dict) and set(detail) == {"detail"}
            response.data = {"ok": False, "detail": detail["detail"] if is_one_text else detail}
        return response


class ConfigTestView(TrialView):
    """One short call by a configuration that need not be saved."""

    @extend_schema(
        tags=[TAG],
        summary="Test a configuration",
        request=TrialConfigSerializer,
        responses={**answers(TrialResultSerializer, 415, 429), 400: TRIAL_REFUSED},
    )
    def post(self, request: Request) -> Response:
        """200 in either case; a masked secret stands for the stored one of `config_uuid` or `config_id`."""
        sent = read_body(TrialConfigSerializer, request).validated_data
        ref = sent["config_uuid"], sent["config_id"]
        config = form_candidate(self.visible(request), sent["provider"], sent["config"], *ref)
        decides = sent["model_type"] == LLMConfig.MODEL_TYPE_DECISION
        trial = connection_trial(config, request.user.pk, decides=decides)
        with SingleTrial.begin(request, trial.silence_s):
            result = run_trial(trial)
        return Response({"ok": True} if result["ok"] else result)


class TestCallView(TrialView):
    """A prompt to a stored configuration."""

    node_name = CALL_NODE
    __test__ = False

    @extend_schema(
        tags=[TAG],
        summary="Try a prompt",
        request=TrialCallSerializer,
        responses={
            **answers(TrialResultSerializer, 415, 429),
            (200, "text/event-stream"): {"type": "string", "description": "Events `reasoning`, `content`, `done`."},
            400: TRIAL_REFUSED,
        },
    )
    def post(self, request: Request) -> HttpResponseBase:
        """With `stream` as server-sent events, whose last one is `done`."""
        sent = read_body(TrialCallSerializer, request).validated_data
        config = stored_candidate(self.visible(request), sent["config_uuid"], sent["config_id"])
        if config is None:
            verdict = Verdict(ConfigNotFound.code, _("Config not found"))
            return failed_stream(verdict) if sent["stream"] else Response(_failure(verdict))
        trial = Trial(config, sent["prompt"], sent["max_tokens"], self.node_name, request.user.pk)
        mark = SingleTrial.begin(request, trial.silence_s)
        if sent["stream"]:
            return _streamed(trial, request, mark)
        with mark:
            return Response(run_trial(trial))

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """A client that accepts nothing but `text/event-stream` gets it: no renderer of the host's need know that type."""
        return super().perform_content_negotiation(request, force=True)


def _streamed(trial: Trial, request: Request, mark: SingleTrial) -> HttpResponseBase:
    try:
        return event_stream(trial, request._request, mark)  # noqa: SLF001 - which server's request it is, REST framework does not say
    except BaseException as exc:
        mark.end()
        if isinstance(exc, ConfigError):
            return failed_stream(trial.explain(exc))
        raise


def run_trial(trial: Trial | DecisionTrial) -> dict[str, Any]:
    """What came of a test, as JSON."""
    try:
        answer, usage = trial.run()
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is this test's result
        return _failure(trial.explain(exc))
    return {"ok": True, "content": answer, "usage": usage}


def _failure(verdict: Verdict) -> dict[str, Any]:
    return {"ok": False, "detail": verdict.text, "error_key": verdict.error_key}
