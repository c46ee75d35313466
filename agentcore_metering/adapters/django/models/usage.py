"""Owns the usage row: one request to a provider, what it used and what it cost."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.conf import AUTH_USER_MODEL
from agentcore_metering.adapters.django.fields import ExactDecimalField
from agentcore_metering.adapters.django.models.querysets import UsageQuerySet
from agentcore_metering.constants import DEFAULT_COST_CURRENCY

__all__ = ["LLMUsage"]


class LLMUsage(models.Model):
    """One attempt of one call. Rows of code that knows the older schema have None in the columns that it does not know."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.SET_NULL,
        # The index with the time serves it too.
        db_index=False,
        null=True,
        blank=True,
        # A user who is deleted, or not yet committed by the caller's transaction, must not cost us the row.
        db_constraint=False,
        related_name="llm_usages",
        help_text=_("Who made the call; empty for a call that belongs to nobody."),
    )
    call_id = models.UUIDField(
        _("call"), null=True, blank=True, help_text=_("Id of the call's first attempt, on every attempt.")
    )
    attempt = models.SmallIntegerField(
        _("attempt"), default=1, db_default=1, help_text=_("1 for the first attempt of a call.")
    )

    operation = models.CharField(
        _("operation"), max_length=50, null=True, blank=True, help_text=_("For example: chat.")
    )
    provider = models.CharField(
        _("provider"), max_length=100, null=True, blank=True, help_text=_("For example: azure_openai.")
    )
    model = models.CharField(_("model"), max_length=200, help_text=_("As LiteLLM was given it."))
    request_model = models.CharField(
        _("requested model"), max_length=200, null=True, blank=True, help_text=_("Without LiteLLM's provider prefix.")
    )
    response_model = models.CharField(
        _("answering model"),
        max_length=200,
        null=True,
        blank=True,
        help_text=_("The model that the provider says answered."),
    )
    config_uuid = models.UUIDField(
        _("configuration"),
        null=True,
        blank=True,
        help_text=_("The configuration used; empty where it came from Django settings."),
    )
    config_scope = models.CharField(
        _("configuration scope"), max_length=20, null=True, blank=True, help_text=_("user, global or settings.")
    )

    status = models.CharField(
        _("status"), max_length=20, null=True, blank=True, help_text=_("succeeded, failed, cancelled or interrupted.")
    )
    success = models.BooleanField(_("success"), default=True, help_text=_("Whether the caller got an answer."))
    error = models.TextField(_("error"), null=True, blank=True, help_text=_("Why it failed, without secrets."))
    error_type = models.CharField(
        _("error type"), max_length=255, null=True, blank=True, help_text=_("The exception's class, or a code of ours.")
    )
    finish_reason = models.CharField(
        _("finish reason"),
        max_length=100,
        null=True,
        blank=True,
        help_text=_("Why the provider stopped, for example: stop."),
    )
    service_tier = models.CharField(
        _("service tier"),
        max_length=50,
        null=True,
        blank=True,
        help_text=_("The tier that the provider says it served."),
    )
    response_id = models.CharField(
        _("response"), max_length=255, null=True, blank=True, help_text=_("The provider's own id.")
    )

    prompt_tokens = models.IntegerField(_("input tokens"), default=0, help_text=_("Cached tokens included."))
    completion_tokens = models.IntegerField(_("output tokens"), default=0, help_text=_("Reasoning tokens included."))
    total_tokens = models.IntegerField(_("tokens"), default=0, help_text=_("Input plus output."))
    cached_tokens = models.IntegerField(
        _("cache read tokens"), default=0, help_text=_("Input tokens read from a cache.")
    )
    cache_write_tokens = models.IntegerField(
        _("cache write tokens"), default=0, db_default=0, help_text=_("Input tokens written to a cache.")
    )
    reasoning_tokens = models.IntegerField(
        _("reasoning tokens"), default=0, help_text=_("Output tokens spent on reasoning.")
    )
    usage_source = models.CharField(
        _("usage source"),
        max_length=20,
        null=True,
        blank=True,
        help_text=_("Who counted: provider, estimated or none."),
    )
    usage_details = models.JSONField(
        _("usage details"),
        null=True,
        blank=True,
        help_text=_(
            "Parts of the tokens that have a price of their own, and units that are no tokens; empty where there are none."
        ),
    )
    usage_raw = models.JSONField(_("raw usage"), null=True, blank=True, help_text=_("The provider's own usage object."))

    cost = ExactDecimalField(
        _("cost"),
        null=True,
        blank=True,
        default=None,
        help_text=_("In the row's currency; empty is unknown, which is not zero."),
    )
    cost_currency = models.CharField(
        _("currency"),
        max_length=10,
        blank=True,
        default=DEFAULT_COST_CURRENCY,
        help_text=_("ISO 4217 code."),
    )
    cost_source = models.CharField(
        _("cost source"),
        max_length=20,
        null=True,
        blank=True,
        help_text=_("Whose figure: provider, operator or price_map."),
    )
    cost_status = models.CharField(
        _("cost status"), max_length=20, null=True, blank=True, help_text=_("priced, free, unpriced or no_usage.")
    )
    computed_cost = ExactDecimalField(
        _("computed cost"),
        null=True,
        blank=True,
        help_text=_("What our prices say where the provider's own figure was taken."),
    )
    price_snapshot = models.JSONField(
        _("prices"), null=True, blank=True, help_text=_("The unit prices that the cost was calculated from.")
    )

    is_streaming = models.BooleanField(_("streamed"), default=False, help_text=_("Whether the answer came in chunks."))
    started_at = models.DateTimeField(
        _("started"),
        null=True,
        blank=True,
        help_text=_("When the request was sent, by the caller's clock."),
    )
    first_chunk_at = models.DateTimeField(
        _("first chunk"), null=True, blank=True, help_text=_("When the first text of a stream came.")
    )
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True, help_text=_("When the attempt was over."))
    created_at = models.DateTimeField(
        _("created"), default=timezone.now, help_text=_("When the attempt was over; what reports go by.")
    )
    recorded_at = models.DateTimeField(
        _("recorded"),
        null=True,
        blank=True,
        editable=False,
        db_default=Now(),
        help_text=_("When the database got the row; empty for rows from before this column."),
    )

    node_name = models.CharField(
        _("node"), max_length=255, null=True, blank=True, help_text=_("The caller's step that called.")
    )
    source_type = models.CharField(
        _("source type"), max_length=255, null=True, blank=True, help_text=_("What kind of work called.")
    )
    metadata = models.JSONField(_("metadata"), default=dict, blank=True, help_text=_("The caller's own keys, flat."))
    trace_id = models.CharField(
        _("trace"), max_length=32, null=True, blank=True, help_text=_("32 hex digits of the OpenTelemetry trace.")
    )
    span_id = models.CharField(
        _("span"), max_length=16, null=True, blank=True, help_text=_("16 hex digits of the call's span.")
    )
    trace_sampled = models.BooleanField(
        _("trace sampled"), null=True, blank=True, help_text=_("Whether the trace was recorded.")
    )

    objects = UsageQuerySet.as_manager()

    class Meta:
        db_table = "llm_tracker_usage"
        verbose_name = _("LLM usage")
        verbose_name_plural = _("LLM usage")
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="llm_tracker_user_id_5800dd_idx"),
            models.Index(fields=["created_at"], name="llm_tracker_created_60798a_idx"),
            # The failed ones are few, and nearly all that is looked for by success.
            models.Index(fields=["created_at"], name="llm_tracker_usage_failed_idx", condition=models.Q(success=False)),
            models.Index(
                fields=["call_id"], name="llm_tracker_usage_call_idx", condition=models.Q(call_id__isnull=False)
            ),
            models.Index(
                fields=["trace_id"], name="llm_tracker_usage_trace_idx", condition=models.Q(trace_id__isnull=False)
            ),
        ]
        permissions = [("view_usage", "Can view LLM usage of every user")]

    def __str__(self) -> str:
        return f"{self.model} {self.total_tokens} tokens {self.created_at:%Y-%m-%d %H:%M:%S}"
