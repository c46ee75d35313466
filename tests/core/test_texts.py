"""Texts are English until somebody translates them, and their values stay as they are."""

from __future__ import annotations

import pickle

import pytest

from agentcore_metering.core.errors import ConfigError, EndpointRefused, InvalidField, MeteringError
from agentcore_metering.core.texts import Text

GERMAN = {"The %(what)s is %(how)s.": "Das %(what)s ist %(how)s.", "address": "Adresse"}


def to_german(template: str) -> str:
    return GERMAN.get(template, template)


def test_text_is_english_and_its_values_are_in_it() -> None:
    assert str(Text("%(key)s must be %(value)r.", {"key": "a", "value": "b"})) == "a must be 'b'."


def test_words_and_the_texts_among_values_are_translated_and_values_are_not() -> None:
    text = Text("The %(what)s is %(how)s.", {"what": Text("address"), "how": "address"})

    assert text.said_by(to_german) == "Das Adresse ist address."
    assert str(text) == "The address is address."


def test_text_without_values_may_have_any_sign_in_it() -> None:
    assert str(Text("100% of %(it)s")) == "100% of %(it)s"


@pytest.mark.parametrize(
    "error",
    [
        MeteringError(Text("%(a)s", {"a": 1})),
        ConfigError("plain"),
        EndpointRefused(Text("no")),
        InvalidField("config.a", "%(a)s", {"a": 1}),
        InvalidField("config.a", Text("%(a)s", {"a": 1})),
    ],
    ids=repr,
)
def test_error_says_its_text_in_english(error: MeteringError) -> None:
    assert str(error) == str(error.text)


def test_error_goes_through_pickle_with_its_text() -> None:
    error = pickle.loads(pickle.dumps(ConfigError(Text("%(key)s is missing.", {"key": "api_key"}))))

    assert (str(error), error.text.template) == ("api_key is missing.", "%(key)s is missing.")
