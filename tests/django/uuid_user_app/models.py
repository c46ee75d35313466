from __future__ import annotations

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models


class Member(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=50, unique=True)

    USERNAME_FIELD = "name"

    class Meta:
        app_label = "uuid_user_app"

    def __str__(self) -> str:
        return self.name
