"""Owns how secrets are sealed for storage: the keys, the text format, and which keys of a configuration are not secret.

Sealed text is `enc:v1:<key id>:<Fernet token>`. Inside, the secrets stand beside the row that they were sealed for, because Fernet
authenticates no associated data: ciphertext that is moved to another row is told by its binding. Comparing the binding with a row is
left to the reader of the row.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.encoding import force_bytes

from agentcore_metering.adapters.django.conf import metering_settings, secret_key_material
from agentcore_metering.core.errors import SecretUnavailable
from agentcore_metering.core.texts import Text

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = [
    "PUBLIC_KEYS",
    "UNBOUND",
    "Binding",
    "current_key_id",
    "has_secret",
    "is_public",
    "key_id_of",
    "key_ids_at_hand",
    "seal",
    "split_secrets",
    "unseal",
]

_MARK = "enc:v1:"
_DERIVATION_LABEL = b"agentcore-metering secrets v1"

PUBLIC_KEYS = frozenset(
    {
        "account_id",
        "api_base",
        "api_type",
        "api_version",
        "aws_region_name",
        "cost_currency",
        "currency",
        "custom_llm_provider",
        "deployment",
        "deployment_name",
        "fallback_model_uuid",
        "fallback_model_uuids",
        "frequency_penalty",
        "max_completion_tokens",
        "max_retries",
        "max_tokens",
        "model",
        "name",
        "num_retries",
        "organization",
        "presence_penalty",
        "project",
        "protocol",
        "reasoning_effort",
        "request_timeout_seconds",
        "seed",
        "service_tier",
        "stream_idle_timeout_seconds",
        "stream_total_timeout_seconds",
        "supports_vision",
        "temperature",
        "timeout",
        "timeout_seconds",
        "top_k",
        "top_p",
        "vertex_location",
        "vertex_project",
        "vision",
    }
)
"""Keys of a configuration that may be stored and shown in clear. Every other key is a secret, known to us or not."""

_URL_KEYS = frozenset({"api_base"})


@dataclass(frozen=True, slots=True)
class Binding:
    """The row that secrets are sealed for. All None: none was known, and the row's next save binds them."""

    row: str | None = None
    """The configuration's uuid in its canonical form."""
    scope: str | None = None
    user: str | None = None
    """The owner's primary key as text; None also for a configuration that belongs to nobody."""


UNBOUND = Binding()


@dataclass(frozen=True, slots=True)
class _Keyring:
    fernet: MultiFernet
    key_ids: tuple[str, ...]
    """In the order of `fernet`'s keys; the first one seals."""


def seal(secrets: Mapping[str, Any], binding: Binding) -> str:
    """The text to store for `secrets` (JSON values), sealed under the newest key."""
    keyring = _current_keyring()
    envelope = {"row": binding.row, "scope": binding.scope, "user": binding.user, "secrets": dict(secrets)}
    token = keyring.fernet.encrypt(json.dumps(envelope).encode()).decode("ascii")
    return f"{_MARK}{keyring.key_ids[0]}:{token}"


def unseal(text: str) -> tuple[dict[str, Any], Binding]:
    """The secrets in sealed `text` and the row that they were sealed for.

    Raises SecretUnavailable where the key is not at hand or the text is damaged; nothing of the text is in its message.
    """
    from cryptography.fernet import InvalidToken

    keyring = _current_keyring()
    key_id = key_id_of(text)
    if key_id not in keyring.key_ids:
        raise SecretUnavailable(
            Text(
                "a stored secret was sealed under the key %(key)s, which is not among those at hand (%(known)s); add it to "
                "AGENTCORE_METERING_ENCRYPTION_KEYS, or enter the secret again",
                {"key": key_id, "known": ", ".join(keyring.key_ids)},
            )
        )
    try:
        envelope = json.loads(keyring.fernet.decrypt(text.rpartition(":")[2].encode()))
        binding = Binding(row=envelope["row"], scope=envelope["scope"], user=envelope["user"])
        return dict(envelope["secrets"]), binding
    except (InvalidToken, ValueError, KeyError, TypeError):
        # The cause is cut: its frames hold what was decrypted so far.
        raise SecretUnavailable(
            Text("a stored secret, sealed under the key %(key)s, is damaged; enter the secret again", {"key": key_id})
        ) from None


def key_id_of(text: str) -> str:
    """The id (8 hex digits) of the key that `text` was sealed under; SecretUnavailable where `text` is not sealed text."""
    key_id, separator, token = text.removeprefix(_MARK).partition(":")
    if not (text.startswith(_MARK) and separator and token):
        raise SecretUnavailable("a stored secret is not in the form enc:v1:<key id>:<token>; enter the secret again")
    return key_id


def current_key_id() -> str:
    """The id of the key that seals now: a row under another one is due for rotation."""
    return _current_keyring().key_ids[0]


def key_ids_at_hand() -> tuple[str, ...]:
    """The ids of all keys that open, newest first."""
    return _current_keyring().key_ids


def split_secrets(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """`config` in two: what may be stored and shown in clear, and what may not."""
    public: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    for key, value in config.items():
        (public if is_public(key, value) else secrets)[key] = value
    return public, secrets


def has_secret(value: Any) -> bool:
    """Whether a part of a configuration that is not public holds anything to keep secret; true, false and null are nothing."""
    if isinstance(value, dict):
        return any(has_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(has_secret(item) for item in value)
    return not isinstance(value, bool) and value not in (None, "")


def is_public(key: str, value: Any) -> bool:
    """Whether this key of a configuration may be shown. A nested value may not, whatever its key, and a URL only without credentials."""
    if key not in PUBLIC_KEYS:
        return False
    if isinstance(value, list):
        return all(isinstance(item, (str, int, float)) or item is None for item in value)
    if isinstance(value, str) and key in _URL_KEYS:
        return _is_plain_url(value)
    return value is None or isinstance(value, (str, int, float))


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return "@" not in parts.netloc and not parts.query and not parts.fragment


def _current_keyring() -> _Keyring:
    return _build_keyring(metering_settings.ENCRYPTION_KEYS, secret_key_material())


@lru_cache(maxsize=4)
def _build_keyring(configured: tuple[str, ...], material: tuple[str | bytes, ...]) -> _Keyring:
    """Configured keys first. Derived ones stay behind them, so that configuring the first key leaves older rows readable."""
    # Here and below where it is needed: models import this module, and a process that opens no secret starts without it.
    from cryptography.fernet import Fernet, MultiFernet

    keys = [_checked_key(key, position) for position, key in enumerate(configured)]
    keys += [_derived_key(secret) for secret in material]
    return _Keyring(MultiFernet([Fernet(key) for key in keys]), tuple(_id_of_key(key) for key in keys))


def _checked_key(key: str, position: int) -> bytes:
    try:
        size = len(base64.urlsafe_b64decode(key))
    except ValueError:
        size = 0
    if size != 32:
        raise ImproperlyConfigured(
            f"AGENTCORE_METERING_ENCRYPTION_KEYS[{position}] ({len(key)} characters) is not a Fernet key: 32 random "
            "bytes in URL-safe base64. Make one with cryptography.fernet.Fernet.generate_key()."
        )
    return key.encode("ascii")


def _derived_key(secret: str | bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # SECRET_KEY may be short or structured, so it goes through a KDF; the label keeps its other uses apart from this one.
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_DERIVATION_LABEL).derive(force_bytes(secret))
    return base64.urlsafe_b64encode(derived)


def _id_of_key(key: bytes) -> str:
    return hashlib.sha256(b"agentcore-metering key id:" + key).hexdigest()[:8]
