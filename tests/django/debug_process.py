"""A process of a careless operator: `LITELLM_LOG=DEBUG`, and calls that succeed and fail. `python -m tests.django.debug_process API_BASE KEY...`."""

from __future__ import annotations

import logging
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.test import override_settings  # noqa: E402 - settings come first

from agentcore_metering.adapters.django import LLMTracker  # noqa: E402
from agentcore_metering.adapters.django.config import source  # noqa: E402
from agentcore_metering.adapters.django.config.prices import OperatorPrices  # noqa: E402
from example.stub_provider import directive  # noqa: E402

logging.basicConfig(level=logging.DEBUG)

# There is no database here to ask.
source.user_config = source.global_config = lambda *_args: None  # type: ignore[assignment]
OperatorPrices.refresh = lambda _self: None  # type: ignore[method-assign]


def call(text: str, *, is_streaming: bool) -> None:
    """One call, its failure told as a host would."""
    try:
        answer = LLMTracker.call_and_track([{"role": "user", "content": text}], stream=is_streaming)
        if is_streaming:
            list(answer)
    except Exception as error:
        logging.getLogger("host").exception("The call failed: %s", error)  # noqa: TRY401


for key in sys.argv[2:]:
    config = {"model": "gpt-4o-mini", "api_key": key, "api_base": sys.argv[1], "num_retries": 0}
    with override_settings(AGENTCORE_METERING_LLM={"provider": "openai", "config": config}):
        for text in (
            "hello",
            directive(status=401, echo_key=1),
            directive(status=500, echo_key=1),
            directive(refuse=1),
        ):
            for is_streaming in (False, True):
                call(text, is_streaming=is_streaming)
