"""The API's addresses as a host mounts them, and one request that each method of each of them answers."""

from __future__ import annotations

from uuid import UUID

PREFIX = "/api/v1/admin"
UNKNOWN = UUID(int=4711)

TOKEN_STATS = f"{PREFIX}/token-stats/"
USAGE_BREAKDOWN = f"{PREFIX}/usage-breakdown/"
LLM_USAGE = f"{PREFIX}/llm-usage/"
LLM_USAGE_EXPORT = f"{PREFIX}/llm-usage/export/"
USERS = f"{PREFIX}/users/"
HEALTH = f"{PREFIX}/health/"
METERING_CONFIG = f"{PREFIX}/metering-config/"
LLM_CONFIG = f"{PREFIX}/llm-config/"
LLM_CONFIG_ALL = f"{PREFIX}/llm-config/all/"
LLM_CONFIG_USERS = f"{PREFIX}/llm-config/users/"

METHODS = [
    ("get", TOKEN_STATS),
    ("get", USAGE_BREAKDOWN),
    ("get", LLM_USAGE),
    ("get", LLM_USAGE_EXPORT),
    ("get", f"{LLM_USAGE}{UNKNOWN}/"),
    ("get", USERS),
    ("get", HEALTH),
    ("get", METERING_CONFIG),
    ("patch", METERING_CONFIG),
    ("get", LLM_CONFIG),
    ("post", LLM_CONFIG),
    ("get", LLM_CONFIG_ALL),
    ("get", LLM_CONFIG_USERS),
    ("get", f"{LLM_CONFIG}providers/"),
    ("get", f"{LLM_CONFIG}models/"),
    ("get", f"{LLM_CONFIG}{UNKNOWN}/changes/"),
    *[
        (method, f"{LLM_CONFIG}{ref}/")
        for ref in (UNKNOWN, 4711, "users/4711", f"users/{UNKNOWN}")
        for method in ("get", "put", "delete")
    ],
]

FALLBACK = f"{LLM_CONFIG}{UNKNOWN}/fallback"
METHODS += [("get", FALLBACK), ("put", FALLBACK), ("post", f"{FALLBACK}/reset")]
WITH_BODY = [("post", f"{LLM_CONFIG}test/"), ("post", f"{LLM_CONFIG}test-call/")]
"""Methods that answer 400 to an empty body."""


def usage_url(row_id: object) -> str:
    return f"{LLM_USAGE}{row_id}/"


def config_url(ref: object) -> str:
    return f"{LLM_CONFIG}{ref}/"


def user_config_url(pk: object) -> str:
    return f"{LLM_CONFIG_USERS}{pk}/"
