"""The form of the settings that an admin changes at run time. What they mean and which values hold is left to `config.policy`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.config.crontab import is_crontab
from agentcore_metering.adapters.django.config.policy import MAX_RETENTION_DAYS

__all__ = ["PolicyForm"]

_CRON_HELP = gettext_lazy("Five fields: minute, hour, day of month, month, day of week. For example: 0 2 * * *")


class CrontabField(forms.CharField):
    """A schedule of five fields."""

    def validate(self, value: Any) -> None:
        """Refuse what is none."""
        super().validate(value)
        if not is_crontab(value):
            raise forms.ValidationError(
                _("“%(value)s” is no schedule of five fields, such as 0 2 * * *."), params={"value": value[:64]}
            )


class PolicyForm(forms.Form):
    """How long usage is kept, and when the periodic work runs."""

    retention_days = forms.IntegerField(
        label=gettext_lazy("Keep usage for (days)"),
        min_value=1,
        max_value=MAX_RETENTION_DAYS,
        help_text=gettext_lazy("Older rows are deleted by the clean-up, for good."),
    )
    cleanup_enabled = forms.BooleanField(
        label=gettext_lazy("Clean-up runs"),
        required=False,
        help_text=gettext_lazy("Without it nothing is ever deleted."),
    )
    cleanup_crontab = CrontabField(label=gettext_lazy("Clean-up schedule"), help_text=_CRON_HELP)
    aggregation_crontab = CrontabField(label=gettext_lazy("Aggregation schedule"), help_text=_CRON_HELP)
