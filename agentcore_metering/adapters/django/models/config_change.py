"""Owns the trail of configurations: who changed which keys of which one, and when; never a value. Rows are added and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.models.actors import current_actor

# Used in quotes, as a type parameter of a base class.
if TYPE_CHECKING:
    from agentcore_metering.adapters.django.models.llm_config import LLMConfig

__all__ = ["CASCADE", "LLMConfigChange", "changed_keys"]

CASCADE = "cascade"
"""The way of a change that nobody made by itself: a configuration's user was deleted, and it with him."""
NOTED_FIELDS = ("uuid", "scope", "user_id", "model_type", "provider", "fallback", "is_active", "is_default")


class ChangeQuerySet(models.QuerySet["LLMConfigChange"]):
    """Queries on the trail, which can only be added to."""

    def update(self, **kwargs: Any) -> NoReturn:
        """TypeError."""
        raise TypeError("The trail of configurations is not changed.")

    def delete(self) -> NoReturn:
        """TypeError."""
        raise TypeError("The trail of configurations is not deleted from.")

    update.alters_data = True  # type: ignore[attr-defined]  # Django's mark against calls from templates
    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class LLMConfigChange(models.Model):
    """One change of one configuration. It names users and configurations by text, so that it outlives both."""

    class Action(models.TextChoices):
        """What was done."""

        CREATED = "created", _("Created")
        CHANGED = "changed", _("Changed")
        DELETED = "deleted", _("Deleted")

    changed_at = models.DateTimeField(_("changed"), default=timezone.now, db_index=True)
    config_uuid = models.UUIDField(_("configuration"), db_index=True)
    action = models.CharField(_("action"), max_length=10, choices=Action.choices)
    keys = models.JSONField(
        _("keys"),
        default=list,
        help_text=_("The names of what was changed; config.api_key is a key of the configuration."),
    )
    owner_id = models.CharField(
        _("owner"), max_length=255, blank=True, default="", help_text=_("Empty: a global configuration.")
    )
    actor_id = models.CharField(
        _("who"), max_length=255, blank=True, default="", help_text=_("A user's primary key; empty: nobody is known.")
    )
    actor_name = models.CharField(_("name"), max_length=255, blank=True, default="")
    via = models.CharField(
        _("by way of"), max_length=20, help_text=_("api, admin, code, or cascade: its user was deleted.")
    )

    objects = ChangeQuerySet.as_manager()

    class Meta:
        db_table = "agentcore_metering_llm_config_change"
        verbose_name = _("configuration change")
        verbose_name_plural = _("configuration changes")
        ordering = ["-changed_at", "-id"]

    def __str__(self) -> str:
        return f"{self.config_uuid} {self.action} {self.changed_at:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As Django's for a new row; TypeError for one that there is."""
        if not self._state.adding:
            raise TypeError("The trail of configurations is not changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """TypeError."""
        raise TypeError("The trail of configurations is not deleted from.")

    @classmethod
    def note(
        cls, action: str, rows: Iterable[Any], keys: Iterable[str], using: str | None, via: str | None = None
    ) -> None:
        """Write down that `action` was done to `rows` (each with `uuid` and `user_id`) by the one who is at work.

        `via` is the way, where it is not the one by which he came.
        """
        actor, names = current_actor(), sorted(keys)
        cls.objects.using(using).bulk_create(
            cls(
                config_uuid=row.uuid,
                action=action,
                keys=names,
                owner_id="" if row.user_id is None else str(row.user_id),
                actor_id=actor.id,
                actor_name=actor.name,
                via=via or actor.via,
            )
            for row in rows
        )


def changed_keys(before: LLMConfig | None, after: LLMConfig, update_fields: Iterable[str] | None = None) -> set[str]:
    """The names of what differs; `config.<key>` inside of the configuration. With `before` None all that `after` has."""
    names = {name for name in NOTED_FIELDS if before is None or getattr(before, name) != getattr(after, name)}
    # By dict's own means: where secrets cannot be opened, asking for one raises.
    old, new = (_options(row) for row in (before, after))
    names |= {
        f"config.{key}" for key in old.keys() | new.keys() if key not in old or key not in new or old[key] != new[key]
    }
    if update_fields is None:
        return names
    written = {"user_id" if name == "user" else name for name in update_fields}
    return {name for name in names if name.partition(".")[0] in written}


def _options(row: LLMConfig | None) -> dict[str, Any]:
    config = None if row is None else row.config
    if not isinstance(config, dict):
        return {}
    sealed = getattr(config, "sealed", None)
    return {**dict(config), **({"(sealed)": sealed} if sealed else {})}
