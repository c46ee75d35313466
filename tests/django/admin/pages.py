"""The admin's pages as tests ask for them."""

from __future__ import annotations

import html
import re
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

__all__ = ["KEY", "client_of", "messages_of", "text_of", "url"]

KEY = "gateway-key-4711-not-shaped-like-one"
"""No page may ever have it."""


def url(model: str, page: str = "changelist", *args: Any) -> str:
    """The address of a page of one of our models."""
    return reverse(f"admin:agentcore_metering_{model}_{page}", args=args)


def client_of(name: str, *permissions: str, is_staff: bool = True) -> Client:
    """A browser of a new user who has these permissions of our app."""
    user = get_user_model().objects.create_user(name, is_staff=is_staff)
    found = Permission.objects.filter(content_type__app_label="agentcore_metering", codename__in=permissions)
    assert {permission.codename for permission in found} == set(permissions)
    user.user_permissions.set(found)
    client = Client()
    client.force_login(user)
    return client


def text_of(response: Any) -> str:
    """What the page says, tags taken out."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def messages_of(response: Any) -> list[str]:
    """What the admin is told at the top of the page."""
    return [str(message) for message in response.context["messages"]]
