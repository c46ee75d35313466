"""The settings that an admin changes at run time, as one form. What they mean and which values hold is left to `config.policy`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.admin.access import MANAGE_CONFIG, MeteringAdmin
from agentcore_metering.adapters.django.config.policy import MAX_RETENTION_DAYS, change_policy, is_crontab, read_policy
from agentcore_metering.adapters.django.models import MeteringConfig

__all__ = ["MeteringConfigAdmin", "PolicyForm"]

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


@admin.register(MeteringConfig)
class MeteringConfigAdmin(MeteringAdmin):
    """One page, whose form is the list of settings."""

    managed_by = MANAGE_CONFIG

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: there are these settings and no others."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: see `has_add_permission`."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The form; what was not changed goes on following Django's settings."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        may_change = self.has_change_permission(request)
        policy = asdict(read_policy())
        form = PolicyForm(request.POST if request.method == "POST" else None, initial=policy)
        if not may_change:
            for field in form.fields.values():
                field.disabled = True
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            if form.is_valid():
                return self._save(request, form)
        return self._page(request, form, may_change=may_change, extra_context=extra_context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """To the form: a setting has no page of its own."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:agentcore_metering_meteringconfig_changelist"))

    def _save(self, request: HttpRequest, form: PolicyForm) -> HttpResponse:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        change_policy(changes)
        for row in self.get_queryset(request).filter(scope=MeteringConfig.SCOPE_GLOBAL, key__in=changes):
            self.log_change(request, row, f"{row.key} = {row.value}")
        messages.success(request, _("The settings were saved.") if changes else _("Nothing was changed."))
        return HttpResponseRedirect(request.path)

    def _page(
        self, request: HttpRequest, form: PolicyForm, *, may_change: bool, extra_context: dict[str, Any] | None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Retention and schedules"),
            "opts": self.opts,
            "form": form,
            "errors": bool(form.errors),
            "may_change": may_change,
            "media": self.media,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/agentcore_metering/meteringconfig/change_list.html", context)
