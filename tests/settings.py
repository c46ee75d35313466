"""Django settings of the test suite: SQLite in a temporary file, or the database that `DATABASE_URL` names.

`DATABASE_URL=postgresql://user:password@host:port/name` runs the same tests on PostgreSQL.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_ENGINES = {
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
    "sqlite": "django.db.backends.sqlite3",
}


def database_from_url(url: str) -> dict[str, Any]:
    """Django's `DATABASES` entry for a URL of one of the schemes in `_ENGINES`; SQLite's tests run in a file of their own."""
    parts = urlsplit(url)
    if parts.scheme not in _ENGINES:
        raise ValueError(f"DATABASE_URL has the scheme {parts.scheme!r}; use one of {sorted(_ENGINES)}")
    if parts.scheme == "sqlite":
        return {
            "ENGINE": _ENGINES["sqlite"],
            "NAME": parts.path.removeprefix("/") or ":memory:",
            # A file, because a database in memory shows itself to one connection only. It need not survive a power cut.
            "TEST": {"NAME": str(Path(tempfile.gettempdir()) / f"agentcore-metering-tests-{os.getpid()}.sqlite3")},
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
            },
        }
    return {
        "ENGINE": _ENGINES[parts.scheme],
        "NAME": parts.path.removeprefix("/") or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }


SECRET_KEY = "a key for tests only, long enough that no deployment check objects to it"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": database_from_url(os.environ.get("DATABASE_URL", "sqlite://"))}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "rest_framework",
    "drf_spectacular",
    "agentcore_metering.adapters.django",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STATIC_URL = "static/"
# The stub provider listens on this machine.
AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS = ["127.0.0.0/8"]
# Nothing that the suite seals outlives it, and it is one process.
SILENCED_SYSTEM_CHECKS = ["agentcore_metering.W002", "agentcore_metering.I017"]
# PBKDF2 makes every basic-auth request cost as much as a whole test.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.BasicAuthentication",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
