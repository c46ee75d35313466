from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from tests.django.api.urls import USERS
from tests.django.factories import make_user

pytestmark = pytest.mark.django_db


def test_users_are_all_there_by_id(
    api: APIClient, admin: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    zoe, alice = make_user("zoe"), make_user("alice")

    with django_assert_num_queries(1):
        response = api.get(USERS, {"page_size": 1})

    assert response.json() == [
        {"id": admin.pk, "username": "admin"},
        {"id": zoe.pk, "username": "zoe"},
        {"id": alice.pk, "username": "alice"},
    ]


def test_users_of_a_host_that_keeps_none_are_the_caller() -> None:
    client = APIClient()
    client.force_authenticate(get_user_model()(pk=7, username="token", is_staff=True))

    assert client.get(USERS).json() == [{"id": 7, "username": "token"}]
