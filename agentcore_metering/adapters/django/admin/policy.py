"""The page of the settings that an admin changes at run time. Its form is `policy_form`'s, what they mean `config.policy`'s."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from agentcore_metering.adapters.django.admin.access import MANAGE_CONFIG, MeteringAdmin
from agentcore_metering.adapters.django.models import MeteringConfig

if TYPE_CHECKING:
    from agentcore_metering.adapters.django.admin.policy_form import PolicyForm

__all__ = ["MeteringConfigAdmin"]


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
        # Django imports every admin while it starts; this page alone needs the rules of the settings.
        from agentcore_metering.adapters.django.admin.policy_form import PolicyForm
        from agentcore_metering.adapters.django.config.policy import read_policy

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
        from agentcore_metering.adapters.django.config.policy import change_policy

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
