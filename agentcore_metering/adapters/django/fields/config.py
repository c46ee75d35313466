"""Owns how a configuration is stored: its public keys in clear, its secrets sealed beside them for the row that they belong to.

In Python it is a plain dictionary with everything in clear. What is a secret, and how it is sealed, is left to `secretbox`; which
rows are loaded and checked is left to the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.secretbox import PUBLIC_KEYS, UNBOUND, Binding, seal, split_secrets, unseal
from agentcore_metering.core.errors import SecretUnavailable
from agentcore_metering.core.texts import Text

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.expressions import Expression

__all__ = [
    "SEALED_KEY",
    "BoundConfig",
    "EncryptedConfigField",
    "UnreadableConfig",
    "binding_of",
    "open_for",
    "stored_form",
]

SEALED_KEY = "__secrets__"
"""The key of the stored object that holds the sealed secrets. Reserved: no configuration can have it."""


class BoundConfig(dict[str, Any]):
    """A configuration that was read together with the row its secrets were sealed for, and not yet compared with one."""

    def __init__(self, values: Mapping[str, Any], binding: Binding, sealed: str) -> None:
        super().__init__(values)
        self.binding = binding
        self.sealed = sealed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self), self.binding, self.sealed)


class UnreadableConfig(dict[str, Any]):
    """The public keys of a configuration whose secrets cannot be opened.

    It can be listed, shown and saved, which keeps the sealed text as it is. Asking for anything that may be among the secrets raises
    SecretUnavailable. Assigning another dictionary to the row replaces secrets and all.
    """

    def __init__(self, public: Mapping[str, Any], sealed: str, reason: Text) -> None:
        super().__init__(public)
        self.sealed = sealed
        self.reason = reason

    def __missing__(self, key: str) -> NoReturn:
        if key in PUBLIC_KEYS:
            raise KeyError(key)
        raise SecretUnavailable(self.reason)

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def pop(self, key: str, *default: Any) -> Any:
        if key not in self and key not in PUBLIC_KEYS:
            raise SecretUnavailable(self.reason)
        return super().pop(key, *default)

    def copy(self) -> Self:
        return type(self)(self, self.sealed, self.reason)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self), self.sealed, self.reason)


class _StoredConfig(dict[str, Any]):
    """A configuration in the form that goes to the database."""


def binding_of(row: Any) -> Binding:
    """The binding of secrets to `row`, which has `uuid`, `scope` and `user_id`."""
    user = row.user_id
    return Binding(row=str(row.uuid), scope=str(row.scope), user=None if user is None else str(user))


def open_for(config: Any, row: Any) -> Any:
    """`config` as `row` may see it: a plain dictionary, or an UnreadableConfig where its secrets were sealed for another row."""
    if not isinstance(config, BoundConfig):
        return config
    if config.binding in (UNBOUND, binding_of(row)):
        return dict(config)
    public, _secrets = split_secrets(config)
    reason = Text(
        "the secrets of the configuration %(uuid)s were sealed for another row, scope or user; enter them again",
        {"uuid": str(row.uuid)},
    )
    return UnreadableConfig(public, config.sealed, reason)


def stored_form(config: Any, row: Any) -> dict[str, Any]:
    """`config` as it is stored for `row`, with its secrets sealed: for `update()`, which knows no row."""
    return _store(config, binding_of(row))


def _store(config: Any, binding: Binding) -> _StoredConfig:
    if not isinstance(config, dict):
        raise ValidationError(
            _("A configuration is a JSON object, not %(type)s."), params={"type": type(config).__name__}
        )
    if SEALED_KEY in config:
        raise ValidationError(_("%(key)s is a reserved key of a configuration."), params={"key": SEALED_KEY})
    public, secrets = split_secrets(config)
    if isinstance(config, UnreadableConfig):
        if secrets:
            raise SecretUnavailable(
                Text(
                    "%(reason)s; a secret was added to what is left, assign a complete configuration instead",
                    {"reason": config.reason},
                )
            )
        return _StoredConfig({**public, SEALED_KEY: config.sealed})
    return _StoredConfig({**public, SEALED_KEY: seal(secrets, binding)} if secrets else public)


def _load(stored: Any) -> Any:
    """The Python value of a stored object: itself where nothing in it is sealed, as in rows of the older schema."""
    if not isinstance(stored, dict) or SEALED_KEY not in stored:
        return stored
    sealed = stored.pop(SEALED_KEY)
    try:
        secrets, binding = unseal(str(sealed))
    except SecretUnavailable as error:
        return UnreadableConfig(stored, sealed, error.text)
    # What stands in clear beside sealed secrets was added later, by code that does not know them.
    return BoundConfig({**secrets, **stored}, binding, sealed)


class EncryptedConfigField(models.JSONField):
    """A JSON object whose secrets are sealed in the database and in clear in Python.

    Rows and `.values()` give dictionaries with everything in clear; lookups by a public key work, by a secret one find nothing.
    """

    description = _("A JSON object with sealed secrets")

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, _path, args, kwargs = super().deconstruct()
        return name, "agentcore_metering.adapters.django.fields.EncryptedConfigField", args, kwargs

    def from_db_value(self, value: Any, expression: Expression, connection: BaseDatabaseWrapper) -> Any:
        return _load(super().from_db_value(value, expression, connection))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The stored form, its secrets sealed for this very row."""
        config = getattr(model_instance, self.attname)
        if config is None or hasattr(config, "resolve_expression"):
            return config
        return _store(config, binding_of(model_instance))

    def get_prep_value(self, value: Any) -> Any:
        """The stored form. Other JSON values pass: they are the right-hand sides of lookups."""
        value = super().get_prep_value(value)
        return _store(value, UNBOUND) if isinstance(value, dict) and not isinstance(value, _StoredConfig) else value

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if value is not None and not hasattr(value, "as_sql") and not isinstance(value, dict):
            _store(value, UNBOUND)
        return super().get_db_prep_save(value, connection)

    def to_python(self, value: Any) -> Any:
        """The Python value, from a fixture also of the stored form that `value_to_string` writes."""
        return _load(dict(value)) if isinstance(value, dict) and SEALED_KEY in value else value

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        """The validated value; a form or API may not pass sealed text, which could be another row's."""
        if isinstance(value, dict) and SEALED_KEY in value:
            raise ValidationError(_("%(key)s is a reserved key of a configuration."), params={"key": SEALED_KEY})
        return super().clean(value, model_instance)

    def value_to_string(self, obj: models.Model) -> Any:
        """What a fixture holds: the stored form, never a secret in clear."""
        config = self.value_from_object(obj)
        return _store(config, binding_of(obj)) if isinstance(config, dict) else config

    def formfield(self, **kwargs: Any) -> Any:
        """None: a generated form would show the secrets. A form that edits a configuration declares its own field."""
        return None
