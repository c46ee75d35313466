from __future__ import annotations

from typing import Any

import pytest

from agentcore_metering.adapters.django.config.crontab import is_crontab


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "5 * * * *",
        "0 2 * * *",
        "*/15 0-6 1,15 * mon-fri",
        "0 0 1 jan,JUL sun",
        "59 23 31 12 7",
        "0-30/10 * * * *",
    ],
)
def test_crontab_of_five_fields_is_one(text: str) -> None:
    assert is_crontab(text)


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "every day",
     "a b c d e", "1- * * * *", ", * * * *", "* * * mon *", "-1 * * * *", "\u0661 * * * *", "* " * 500, None, 5],
)  # fmt: skip
def test_crontab_of_another_form_is_none(text: Any) -> None:
    assert not is_crontab(text)
