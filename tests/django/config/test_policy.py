from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from agentcore_metering.adapters.django.config.policy import (
    InvalidCrontab,
    MeteringPolicy,
    change_policy,
    read_policy,
)
from agentcore_metering.adapters.django.models import MeteringConfig
from agentcore_metering.core.errors import InvalidField


@pytest.mark.django_db
def test_policy_without_rows_is_that_of_the_settings() -> None:
    with override_settings(AGENTCORE_METERING_RETENTION_DAYS=30, AGENTCORE_METERING_CLEANUP_CRONTAB="1 1 * * *"):
        assert read_policy() == MeteringPolicy(30, True, "1 1 * * *", "5 * * * *")


@pytest.mark.django_db
def test_policy_row_wins_over_the_setting() -> None:
    MeteringConfig.objects.create(key="retention_days", value=7)

    assert read_policy().retention_days == 7


@pytest.mark.django_db
@pytest.mark.parametrize("value", [0, -1, 3651, True, "7", [], {}, 1.5])
def test_policy_row_that_is_not_usable_is_passed_over(value: Any) -> None:
    MeteringConfig.objects.create(key="retention_days", value=value)

    assert read_policy().retention_days == 365


@pytest.mark.django_db
def test_change_is_stored_as_the_plain_value() -> None:
    change_policy({"retention_days": 7, "cleanup_enabled": False})
    change_policy({"retention_days": 8})

    assert dict(MeteringConfig.objects.values_list("key", "value")) == {"retention_days": 8, "cleanup_enabled": False}


@pytest.mark.django_db
def test_change_with_one_bad_value_stores_none() -> None:
    with pytest.raises(InvalidCrontab) as caught:
        change_policy({"retention_days": 7, "aggregation_crontab": "every day"})

    assert caught.value.field == "aggregation_crontab"
    assert not MeteringConfig.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "value"), [("retention_days", 0), ("cleanup_enabled", "yes"), ("unknown", 1)])
def test_change_of_a_wrong_value_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidField) as caught:
        change_policy({name: value})

    assert caught.value.field == name
