from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from rest_framework.exceptions import NotFound, ParseError, ValidationError

from agentcore_metering.adapters.django.api.errors import to_http_error
from agentcore_metering.adapters.django.config.policy import InvalidCrontab
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.stats import UnsupportedGranularity
from agentcore_metering.core.errors import InvalidField, MeteringError, SecretUnavailable


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (InvalidField("user_id", "no"), {"user_id": ["no"]}),
        (InvalidField("config.extra_headers.X", "no"), {"config": {"extra_headers": {"X": ["no"]}}}),
        (UnsupportedGranularity(), {"detail": "Unsupported granularity. Use one of: day, month, year."}),
        (InvalidCrontab("cleanup_crontab"), {"cleanup_crontab": "Invalid 5-field cron expression."}),
        (SecretUnavailable("sealed"), {"detail": "sealed", "code": "secret_unavailable"}),
        (MeteringError("odd"), {"detail": "odd", "code": "metering_error"}),
    ],
    ids=["field", "path", "granularity", "crontab", "code", "root"],
)
def test_error_of_ours_is_a_400(error: MeteringError, body: dict[str, Any]) -> None:
    found = to_http_error(error)

    assert isinstance(found, ValidationError)
    assert found.detail == body


def test_row_that_is_gone_is_a_404() -> None:
    assert isinstance(to_http_error(LLMConfig.DoesNotExist()), NotFound)


@pytest.mark.parametrize("kind", [RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent])
def test_request_that_is_too_large_is_a_400(kind: type[Exception]) -> None:
    assert isinstance(to_http_error(kind()), ParseError)


def test_error_of_another_kind_stays_as_it_is() -> None:
    error = KeyError("defect")

    assert to_http_error(error) is error
