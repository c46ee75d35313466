"""Settings of the example host. What concerns metering is marked; the rest is any Django project's."""

from __future__ import annotations

import os
from pathlib import Path

DATA_DIR = Path(os.environ.get("EXAMPLE_DATA_DIR", Path(__file__).resolve().parents[2] / ".demo"))

SECRET_KEY = os.environ.get("EXAMPLE_SECRET_KEY", "for the example only; a real host keeps its own")
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", *filter(None, os.environ.get("EXAMPLE_ALLOWED_HOSTS", "").split(","))]
ROOT_URLCONF = "example.host.urls"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "agentcore_metering.adapters.django",  # metering: the app ...
]
# ... where its journal lies, and, where secrets shall not hang on SECRET_KEY, keys of their own, newest first.
AGENTCORE_METERING_SPOOL_DIR = DATA_DIR / "spool"  # on a disk that outlives the process
AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS = [
    "127.0.0.1"
]  # the stub provider; stored configurations lead to public hosts otherwise
AGENTCORE_METERING_TRACE_URL_TEMPLATE = os.environ.get("EXAMPLE_TRACE_URL_TEMPLATE") or None
AGENTCORE_METERING_ENCRYPTION_KEYS = os.environ.get("EXAMPLE_ENCRYPTION_KEYS", "")

# PostgreSQL where the environment names one, by libpq's own variables; else a file.
POSTGRESQL = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": os.environ.get("PGDATABASE", ""),
    "USER": os.environ.get("PGUSER", ""),
    "PASSWORD": os.environ.get("PGPASSWORD", ""),
    "HOST": os.environ.get("PGHOST", ""),
    "PORT": os.environ.get("PGPORT", ""),
}
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": DATA_DIR / "db.sqlite3",
    # Readers do not wait for writers, nor a transaction for the lock that it will need.
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    },
}
# Shared by all processes: how often somebody tests a configuration is counted there, and which one is passed over.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": DATA_DIR / "cache"}}
DATABASES = {"default": POSTGRESQL if os.environ.get("EXAMPLE_DATABASE") == "postgresql" else SQLITE}

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
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
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.BasicAuthentication",
    ],
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": os.environ.get("EXAMPLE_LOG_LEVEL", "WARNING")},
}
