"""The host's users as this app sees them: what a primary key in a request means, and the name that is shown.

The user model is the host's: its key may be a number, a UUID or a text, and it need not have a `username`.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from agentcore_metering.core.errors import InvalidField

__all__ = ["all_users", "display_name", "find_user", "parse_user_pk"]

NUL = "\x00"
_LARGEST_KEY = 2**63 - 1
_NAME_FIELDS = ("username", "email")


def parse_user_pk(value: Any, field: str = "user_id") -> Any:
    """`value` (text, number or UUID) as a primary key of the user model; whether there is such a user is another question.

    Raises:
        InvalidField: it cannot be one.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, UUID)) or NUL in str(value)[:256]:
        raise InvalidField(field, "This is not the primary key of a user.")
    key = get_user_model()._meta.pk
    try:
        pk = key.clean(value, None)
    except ValidationError:
        pk = None
    # Some database backends state no limits for whole numbers, and then fail on a large one.
    if pk is None or (isinstance(pk, int) and abs(pk) > _LARGEST_KEY):
        raise InvalidField(field, "%(value)r is not the primary key of a user.", {"value": str(value)[:64]})
    return pk


def find_user(pk: Any) -> AbstractBaseUser | None:
    """The user with this key, or None; also where `pk` cannot be a key."""
    try:
        return all_users().filter(pk=parse_user_pk(pk)).first()
    except InvalidField:
        return None


def all_users() -> QuerySet[AbstractBaseUser]:
    """Every user, by primary key, with only the columns that `display_name` reads."""
    model = get_user_model()
    names = {field.name for field in model._meta.concrete_fields}
    shown = [name for name in (*_NAME_FIELDS, model.USERNAME_FIELD) if name in names]
    # Not `objects`: the host's model may call its manager something else.
    return model._default_manager.only("pk", *shown).order_by("pk")  # noqa: SLF001 - documented by Django


def display_name(user: Any) -> str:
    """The user name, else the e-mail address, else the primary key."""
    names = [getattr(user, name, None) for name in _NAME_FIELDS]
    return next((str(name) for name in (*names, user.get_username()) if name), str(user.pk))
