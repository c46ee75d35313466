"""The suite's settings, for a client that is always logged in and tests configurations as often as it likes."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import REST_FRAMEWORK as _REST_FRAMEWORK

ROOT_URLCONF = "tests.fuzz.urls"
ALLOWED_HOSTS = ["*"]
REST_FRAMEWORK = {**_REST_FRAMEWORK, "DEFAULT_AUTHENTICATION_CLASSES": ["tests.fuzz.host.EveryoneIsStaff"]}
AGENTCORE_METERING_TEST_RATE = None
