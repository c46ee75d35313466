"""The Django tests' stub provider and recorded telemetry, for calls beside others' instrumentations."""

from __future__ import annotations

import os

from tests.django.conftest import _fresh_meter, _running_stub, stub, telemetry

__all__ = ["_fresh_meter", "_running_stub", "stub", "telemetry"]

# Some of the instrumentations import LiteLLM themselves, which would then fetch its price map from the network.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
