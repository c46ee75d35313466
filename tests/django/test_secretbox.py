from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from agentcore_metering.adapters.django.secretbox import (
    UNBOUND,
    Binding,
    current_key_id,
    key_id_of,
    seal,
    split_secrets,
    unseal,
)
from agentcore_metering.core.errors import SecretUnavailable

NEW, OLD, OTHER = (Fernet.generate_key().decode() for _ in range(3))
ROW = Binding(row="5a1c7f9e-0000-4000-8000-000000000001", scope="user", user="7")
SECRETS = {"api_key": "sk-canary", "extra_headers": {"Authorization": "Bearer canary"}}


@pytest.mark.parametrize("keys", [(), (NEW,), (NEW, OLD)], ids=["derived", "one_key", "two_keys"])
def test_sealed_secrets_open_with_their_binding(keys: tuple[str, ...]) -> None:
    with override_settings(AGENTCORE_METERING_ENCRYPTION_KEYS=keys):
        text = seal(SECRETS, ROW)

        assert unseal(text) == (SECRETS, ROW)
        assert text.startswith(f"enc:v1:{current_key_id()}:")
        assert "canary" not in text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), json_values))
def test_any_json_secret_survives(secrets: dict[str, Any]) -> None:
    assert unseal(seal(secrets, UNBOUND)) == (secrets, UNBOUND)


def test_older_key_still_opens_and_newest_seals() -> None:
    with override_settings(AGENTCORE_METERING_ENCRYPTION_KEYS=[OLD]):
        text = seal(SECRETS, ROW)
    with override_settings(AGENTCORE_METERING_ENCRYPTION_KEYS=[NEW, OLD]):
        assert unseal(text) == (SECRETS, ROW)
        assert key_id_of(text) != current_key_id()
        assert key_id_of(seal(SECRETS, ROW)) == current_key_id()


def test_secrets_under_the_derived_key_stay_readable_when_keys_are_configured() -> None:
    text = seal(SECRETS, ROW)

    with override_settings(AGENTCORE_METERING_ENCRYPTION_KEYS=[NEW]):
        assert unseal(text) == (SECRETS, ROW)


def test_secret_key_that_became_a_fallback_still_opens() -> None:
    with override_settings(SECRET_KEY="the key before the incident"):
        text = seal(SECRETS, ROW)
    with override_settings(SECRET_KEY="the key after it", SECRET_KEY_FALLBACKS=["the key before the incident"]):
        assert unseal(text) == (SECRETS, ROW)


def test_missing_key_is_a_typed_error_that_names_key_ids_alone() -> None:
    with override_settings(AGENTCORE_METERING_ENCRYPTION_KEYS=[OTHER]):
        text = seal(SECRETS, ROW)
    with (
        override_settings(AGENTCORE_METERING_ENCRYPTION_KEYS=[NEW]),
        pytest.raises(SecretUnavailable) as raised,
    ):
        unseal(text)

    assert key_id_of(text) in str(raised.value)
    assert text.rpartition(":")[2] not in str(raised.value)
    assert NEW not in str(raised.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "sk-plain",
        lambda text: "enc:v1:",
        lambda text: text.rpartition(":")[0] + ":",
        lambda text: text[:-10],
        lambda text: text[:-10] + "AAAAAAAAAA",
        lambda text: text[:-20] + "é" + text[-19:],
        lambda text: text.replace("enc:v1", "enc:v9"),
    ],
)
def test_damaged_text_is_a_typed_error(damage: Any) -> None:
    with pytest.raises(SecretUnavailable):
        unseal(damage(seal(SECRETS, ROW)))


def test_token_that_holds_no_envelope_is_a_typed_error() -> None:
    with override_settings(AGENTCORE_METERING_ENCRYPTION_KEYS=[NEW]):
        forged = f"enc:v1:{current_key_id()}:{Fernet(NEW).encrypt(b'[1]').decode()}"

        with pytest.raises(SecretUnavailable, match="damaged"):
            unseal(forged)


@pytest.mark.parametrize("key", ["not-a-key", "é" * 44, NEW[:-8]])
def test_wrong_encryption_key_is_refused_without_showing_it(key: str) -> None:
    with (
        override_settings(AGENTCORE_METERING_ENCRYPTION_KEYS=[NEW, key]),
        pytest.raises(ImproperlyConfigured, match=r"AGENTCORE_METERING_ENCRYPTION_KEYS\[1\]") as raised,
    ):
        current_key_id()

    assert key not in str(raised.value)


@pytest.mark.parametrize(
    ("key", "value", "is_public"),
    [
        ("model", "gpt-4o", True),
        ("temperature", 0.5, True),
        ("vision", True, True),
        ("top_p", None, True),
        ("fallback_model_uuids", ["a", "b"], True),
        ("api_base", "https://api.example.com/v1", True),
        ("api_base", "https://user:pw@api.example.com/v1", False),
        ("api_base", "https://api.example.com/v1?key=abc", False),
        ("api_base", "https://[broken", False),
        ("model", {"api_key": "sk"}, False),
        ("fallback_model_uuids", [{"api_key": "sk"}], False),
        ("api_key", "sk", False),
        ("aws_secret_access_key", "sk", False),
        ("extra_headers", {"Authorization": "sk"}, False),
        ("key_that_nobody_knows", 1, False),
    ],
)
def test_split_keeps_in_clear_only_what_is_allowed(key: str, value: object, is_public: bool) -> None:
    public, secrets = split_secrets({key: value})

    assert (public, secrets) == (({key: value}, {}) if is_public else ({}, {key: value}))
