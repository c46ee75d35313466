"""Configurations: listed, edited, tested. The form is `config_form`'s, the test `config_trial`'s, the writing `config.editing`'s."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, Case, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.admin import shapes
from agentcore_metering.adapters.django.admin.access import MANAGE_CONFIG, MeteringAdmin
from agentcore_metering.adapters.django.admin.texts import MODEL_TYPES
from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.masking import masked
from agentcore_metering.adapters.django.config.users import display_name
from agentcore_metering.adapters.django.fields import UnreadableConfig
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.models.actors import acting
from agentcore_metering.adapters.django.translated import translated
from agentcore_metering.core.errors import InvalidField
from agentcore_metering.core.providers import get_provider

__all__ = ["LLMConfigAdmin"]

_RECORD = (gettext_lazy("Record"), {"classes": ("collapse",), "fields": ("uuid", "policy", "created_at", "updated_at")})
_SWITCHES = (gettext_lazy("Use"), {"fields": ("is_active", "is_default")})
_ACCESS = ("api_key", "clear_api_key", "api_base", "api_version", "deployment", "organization")
_EDITED = (
    (
        gettext_lazy("Model"),
        {"fields": ("provider", "other_provider", "model", "model_type")},
    ),
    _SWITCHES,
    (
        gettext_lazy("Access"),
        {"fields": _ACCESS},
    ),
    (
        gettext_lazy("Defaults of calls"),
        {"fields": ("temperature", "top_p", "max_tokens", "num_retries", "request_timeout_seconds")},
    ),
    (gettext_lazy("Other keys"), {"fields": ("other_options",)}),
)
_VIEWED = ((None, {"fields": ("scope", "user", "provider", "model_type", "shown_config")}), _SWITCHES, _RECORD)


@admin.register(LLMConfig)
class LLMConfigAdmin(MeteringAdmin):
    """Configurations by `manage_config` or by Django's own permissions for them. A secret goes in and never comes out."""

    managed_by = MANAGE_CONFIG
    list_display = (
        "name",
        "provider_label",
        "owner",
        "model_type_text",
        "key",
        "is_active",
        "is_default_now",
        "updated",
    )
    list_display_links = ("name",)
    list_filter = ("scope", "provider", "model_type", "is_active")
    list_select_related = ("user",)
    raw_id_fields = ("user",)
    readonly_fields = ("uuid", "policy", "created_at", "updated_at", "owner", "shown_config")
    change_form_template = "admin/agentcore_metering/llmconfig/change_form.html"

    class Media:
        css = {"all": ["agentcore_metering/admin/metering.css"]}
        js = ["agentcore_metering/admin/config_form.js"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Each with whether it is the default that calls get now."""
        from agentcore_metering.adapters.django.config.editing import default_config_uuid

        is_it = Case(
            When(uuid=default_config_uuid(), then=Value(True)), default=Value(False), output_field=BooleanField()
        )
        rows: QuerySet[Any] = super().get_queryset(request).annotate(gets_calls=is_it)
        return rows

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """By uuid, provider, and owner."""
        return ["=uuid", "provider", f"user__{get_user_model().USERNAME_FIELD}"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The form; for one who may only look, the configuration with masks."""
        if obj is None:
            return ((None, {"fields": ("scope", "user")}), *_EDITED)
        if not self.has_change_permission(request, obj):
            return _VIEWED
        return ((None, {"fields": ("owner",)}), *_EDITED, _RECORD)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form writes nothing but a new row's owner into the instance: everything else is `config.editing`'s to write."""
        # Not as `form`: Django imports every admin while it starts, and the form reads what LiteLLM and the catalogue know.
        from agentcore_metering.adapters.django.admin.config_form import ConfigForm

        owner = ("scope", "user") if obj is None else ()
        return super().get_form(request, obj, change=change, **{**kwargs, "form": ConfigForm, "fields": owner})

    def get_urls(self) -> list[Any]:
        """With the test and the models of a provider."""
        view = self.admin_site.admin_view
        own = [
            path("models/<str:provider>/", view(self.models_view), name="agentcore_metering_llmconfig_models"),
            path("<path:object_id>/test/", view(self.test_view), name="agentcore_metering_llmconfig_test"),
        ]
        return [*own, *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """As the API writes: locked, merged, sealed; the default's mark is taken from whoever had it."""
        from agentcore_metering.adapters.django.config.editing import create_config, update_config

        row = update_config(obj, form.change) if change else create_config(form.change, obj.user)
        obj.pk = row.pk
        obj.refresh_from_db(using=metering_settings.DATABASE_ALIAS)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """As Django's. What the form found right can be wrong when the row was changed meanwhile: then it is told, and nothing saved."""
        try:
            with acting("admin", lambda: request.user):
                response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except (InvalidField, LLMConfig.DoesNotExist) as error:
            reason = translated(error) if isinstance(error, InvalidField) else _("It was deleted.")
            messages.error(
                request, _("It was changed meanwhile, so nothing was saved. %(reason)s") % {"reason": reason}
            )
            return HttpResponseRedirect(request.path)
        return response

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """As Django's, by somebody who is known."""
        with acting("admin", lambda: request.user):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """As Django's, by somebody who is known."""
        with acting("admin", lambda: request.user):
            super().delete_queryset(request, queryset)

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One small call by the stored configuration; its outcome as a message. POST only."""
        from agentcore_metering.adapters.django.admin.config_trial import try_config

        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self._has(request, MANAGE_CONFIG):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        outcome = try_config(row, request.user.pk)
        (messages.success if outcome.has_worked else messages.error)(request, outcome.text)
        return HttpResponseRedirect(reverse("admin:agentcore_metering_llmconfig_change", args=[row.pk]))

    def models_view(self, request: HttpRequest, provider: str) -> HttpResponse:
        """`{"models": [...]}` that LiteLLM's map knows of a provider; empty for one that is not listed."""
        from agentcore_metering.adapters.django.config.catalogue import model_catalogue

        if not (self.has_change_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        found: Iterable[Any] = (item["models"] for item in model_catalogue() if item["id"] == provider)
        return JsonResponse({"models": [model["id"] for models in found for model in models]})

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """With the test where it can be made, and a word where the secrets cannot be opened."""
        row = context.get("original")
        if row is not None:
            context["may_test"] = self._has(request, MANAGE_CONFIG)
            context["unreadable_reason"] = (
                translated(row.config.reason) if isinstance(row.config, UnreadableConfig) else None
            )
        context["models_url"] = reverse("admin:agentcore_metering_llmconfig_models", args=["PROVIDER"])
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("model"))
    def name(self, row: LLMConfig) -> str:
        """The model that it calls."""
        options = masked(row.config) if isinstance(row.config, dict) else {}
        model = options.get("model") or options.get("deployment") or get_provider(row.provider).default_model
        return str(model or row.uuid)

    @admin.display(description=gettext_lazy("provider"), ordering="provider")
    def provider_label(self, row: LLMConfig) -> str:
        """By its label."""
        return get_provider(row.provider).label

    @admin.display(description=gettext_lazy("whose"), ordering="scope")
    def owner(self, row: LLMConfig) -> str:
        """Everybody's, or a user's."""
        return _("everybody's") if row.scope == LLMConfig.Scope.GLOBAL else display_name(row.user) if row.user else "?"

    @admin.display(description=gettext_lazy("model type"), ordering="model_type")
    def model_type_text(self, row: LLMConfig) -> str:
        """In words."""
        return str(MODEL_TYPES.get(row.model_type, row.model_type))

    @admin.display(description=gettext_lazy("API key"))
    def key(self, row: LLMConfig) -> str:
        """Whether there is one, and how it ends."""
        if isinstance(row.config, UnreadableConfig):
            return _("cannot be opened")
        options = masked(row.config) if isinstance(row.config, dict) else {}
        return str(options.get("api_key") or shapes.EMPTY)

    @admin.display(description=gettext_lazy("default"), boolean=True)
    def is_default_now(self, row: Any) -> bool:
        """Whether a call that names no configuration, for a user without one, gets this one: as the API's `is_default`."""
        return bool(row.gets_calls)

    @admin.display(description=gettext_lazy("updated"), ordering="updated_at")
    def updated(self, row: LLMConfig) -> str:
        """When it was written last."""
        return shapes.moment(row.updated_at)

    @admin.display(description=gettext_lazy("configuration"))
    def shown_config(self, row: LLMConfig) -> Any:
        """With masks in place of secrets."""
        return shapes.json_block(masked(row.config) if isinstance(row.config, dict) else {})

    @admin.display(description=gettext_lazy("fallback"))
    def policy(self, row: LLMConfig) -> Any:
        """Which configurations are tried next; written by the API."""
        return shapes.json_block(row.fallback)
