"""The example host's settings, with the stub provider as the configuration of last resort."""

from __future__ import annotations

import os

import watched_by_the_reloader  # type: ignore[import-not-found]  # noqa: F401 - a module in the site's directory, for runserver to see change

from example.host.settings import *  # noqa: F403
from example.host.settings import DATA_DIR

AGENTCORE_METERING_LLM = {
    "provider": "openai",
    "config": {"model": "gpt-4o-mini", "api_key": "stub-key-of-nobody-0815", "api_base": os.environ["STUB_API_BASE"]},
}
CELERY_BROKER_URL = "filesystem://"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "data_folder_in": str(DATA_DIR / "queue"),
    "data_folder_out": str(DATA_DIR / "queue"),
    "control_folder": str(DATA_DIR / "control"),
}
