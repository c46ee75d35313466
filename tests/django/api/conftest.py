from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.django.factories import make_user


@pytest.fixture
def admin(db: None) -> Any:
    return make_user("admin", is_staff=True)


@pytest.fixture
def api(admin: Any) -> APIClient:
    """A client that is logged in as an admin."""
    client = APIClient()
    client.force_authenticate(admin)
    return client
