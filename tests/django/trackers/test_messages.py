"""What end users are told: one sentence for each kind of failure, in English and in Simplified Chinese."""

from __future__ import annotations

import gettext
import re
from pathlib import Path

import pytest
from django.utils.translation import get_language, override

import agentcore_metering.adapters.django as adapter
from agentcore_metering.adapters.django.trackers.messages import MESSAGES, to_friendly
from agentcore_metering.core.errors import EmptyResponse, InvalidJSON
from agentcore_metering.core.types import FailureKind
from tests.fakes import provider_error

CATALOGUE = Path(adapter.__file__ or "").parent / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
_ENTRY = re.compile(r'^msgid "(.+)"\nmsgstr "(.+)"$', re.MULTILINE)


def written() -> dict[str, str]:
    """The translations in the source file."""
    return dict(_ENTRY.findall(CATALOGUE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_has_a_sentence_in_both_languages(kind: FailureKind) -> None:
    with override("en"):
        english = str(MESSAGES[kind])
    with override("zh-hans"):
        chinese = str(MESSAGES[kind])

    assert english.isascii()
    assert chinese == written()[english]
    assert re.search("[\u4e00-\u9fff]", chinese)


def test_the_compiled_catalogue_is_that_of_the_source() -> None:
    with CATALOGUE.with_suffix(".mo").open("rb") as compiled:
        translations = gettext.GNUTranslations(compiled)

    assert {english: translations.gettext(english) for english in written()} == written()
    assert len(written()) >= len(MESSAGES)


@pytest.mark.parametrize(
    ("exc", "key"),
    [
        (provider_error("AuthenticationError", 401), "invalid_api_key"),
        (provider_error("RateLimitError", 429), "rate_limit"),
        (provider_error("Odd", 402), "insufficient_balance"),
        (provider_error("Odd", 451), "region_restricted"),
        (provider_error("NoCredentialsError"), "auth_failed"),
        (
            provider_error("BadRequestError", 400, message="Insufficient Balance: 429 tokens, invalid api key"),
            "bad_request",
        ),
        (EmptyResponse("nothing"), "empty_response"),
        (InvalidJSON("no"), "invalid_json"),
    ],
)
def test_an_exception_is_told_by_class_and_status_and_never_by_its_words(exc: Exception, key: str) -> None:
    friendly = to_friendly(exc)

    assert friendly is not None
    assert friendly.error_key == key


def test_what_cannot_be_told_stays_as_it_is() -> None:
    assert to_friendly(ValueError("rate limit")) is None


def test_the_callers_language_is_used_and_left_active() -> None:
    with override("zh-hans"):
        friendly = to_friendly(provider_error("RateLimitError", 429))

        assert get_language() == "zh-hans"
        assert str(friendly) == written()["The provider's rate limit is reached. Please try again later."]
    assert str(to_friendly(provider_error("RateLimitError", 429))).isascii()
