"""Django settings of the tools: the database that `DATABASE_URL` names, the journal in `SPOOL_DIR`, nothing that they do not need."""

from __future__ import annotations

import os

from tests.settings import database_from_url

SECRET_KEY = "a key for measurements only, long enough that no deployment check objects to it"
USE_TZ = True
TIME_ZONE = "UTC"
ROOT_URLCONF = "tests.urls_api_only"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": database_from_url(os.environ["DATABASE_URL"])}
DATABASES["default"]["OPTIONS"] = (
    {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}
    if DATABASES["default"]["ENGINE"].endswith("sqlite3")
    else {"connect_timeout": 5}
)
if "COMPARED_DATABASE_URL" in os.environ:
    DATABASES["compared"] = {
        **database_from_url(os.environ["COMPARED_DATABASE_URL"]),
        "OPTIONS": {"connect_timeout": 5},
    }
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "agentcore_metering.adapters.django",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AGENTCORE_METERING_ENCRYPTION_KEYS = "A" * 43 + "="
AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS = ["127.0.0.1"]
AGENTCORE_METERING_WRITE_MODE = "journal"
AGENTCORE_METERING_SPOOL_DIR = os.environ["SPOOL_DIR"]
AGENTCORE_METERING_LLM = {
    "provider": "openai",
    "config": {
        "model": "gpt-4o-mini",
        "api_key": "key-of-nobody-0815",
        "api_base": os.environ.get("STUB_URL", "http://127.0.0.1:9") + "/v1",
    },
}
