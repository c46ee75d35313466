"""Owns the rollup tables: sums over closed buckets of time, which of them hold, and which wait to be summed anew.

A cache: every row can be rebuilt from the usage rows. Nobody is shown them, so their names are not translated. How they are filled
and kept true is `rollups`', how they are read is `stats`'.
"""

from __future__ import annotations

from django.db import models

from agentcore_metering.adapters.django.conf import AUTH_USER_MODEL

__all__ = [
    "HISTOGRAM_BOUNDS_US",
    "HISTOGRAM_SIZE",
    "Cell",
    "ConfigRollup",
    "DetailRollup",
    "Grain",
    "NodeRollup",
    "Rollup",
    "RollupCoverage",
    "RollupMark",
    "UsageRollup",
    "UserRollup",
    "UserTotalRollup",
]

HISTOGRAM_BOUNDS_US = tuple(round(25_000 * 2 ** (step / 2)) for step in range(25))
"""Upper bounds, inclusive, in microseconds: 25 ms to 102.4 s, each 1.41 times the one before. They are part of the stored data."""

HISTOGRAM_SIZE = len(HISTOGRAM_BOUNDS_US) + 1
"""One column more than bounds: what took longer than the last."""


class Grain(models.IntegerChoices):
    """The length of a bucket, in UTC; from fine to coarse, each within one of the next."""

    HOUR = 1, "Hour"
    DAY = 2, "Day"
    # From the 1st, 6th, 11th, 16th, 21st and 26th; the last one takes what its month has left.
    FIVE_DAYS = 4, "Five days"
    MONTH = 3, "Month"


class Cell(models.Model):
    """The sums over the rows of one bucket that have the same dimensions. All texts are as the rows have them."""

    grain = models.SmallIntegerField("grain", choices=Grain.choices)
    bucket = models.DateTimeField("bucket", help_text="When the bucket begins.")
    cost_currency = models.CharField("currency", max_length=10)

    calls = models.BigIntegerField("rows")
    logical_calls = models.BigIntegerField("calls", help_text="First attempts.")
    priced_calls = models.BigIntegerField("priced rows")
    streams = models.BigIntegerField("streams")
    prompt_tokens = models.BigIntegerField("input tokens")
    completion_tokens = models.BigIntegerField("output tokens")
    total_tokens = models.BigIntegerField("tokens")
    cached_tokens = models.BigIntegerField("cache read tokens")
    cache_write_tokens = models.BigIntegerField("cache write tokens")
    reasoning_tokens = models.BigIntegerField("reasoning tokens")
    # In two parts, because a sum of pico-units alone outgrows 64 bits, which is all that SQLite adds exactly.
    cost_micro = models.BigIntegerField("cost", help_text="Whole millionths of the currency.")
    cost_pico = models.BigIntegerField("rest of the cost", help_text="Millionths of those millionths.")
    timed_calls = models.BigIntegerField("timed rows", help_text="Succeeded rows whose start is known.")
    timed_tokens = models.BigIntegerField("their output tokens")
    timed_us = models.BigIntegerField("their latencies", help_text="Microseconds.")
    first_chunk_calls = models.BigIntegerField(
        "rows with a first chunk", help_text="Timed rows that streamed and had a first chunk."
    )
    first_chunk_us = models.BigIntegerField("their times to it", help_text="Microseconds.")

    class Meta:
        abstract = True


for _bin in range(HISTOGRAM_SIZE):
    # NULL for none: it takes a bit, and most are none.
    Cell.add_to_class(f"latency_{_bin:02d}", models.IntegerField(null=True, editable=False))
for _bin in range(HISTOGRAM_SIZE):
    Cell.add_to_class(f"first_chunk_{_bin:02d}", models.IntegerField(null=True, editable=False))


class Rollup(Cell):
    """A cell by what most questions are about."""

    model = models.CharField("model", max_length=200)
    provider = models.CharField("provider", max_length=100, null=True)
    operation = models.CharField("operation", max_length=50, null=True)
    outcome = models.CharField(
        "outcome", max_length=20, help_text="The rows' status; for rows of older code what their success says."
    )
    cost_status = models.CharField("cost status", max_length=20, null=True)
    is_priced = models.BooleanField("priced", help_text="Whether the rows' cost is known.")

    class Meta:
        abstract = True


class UsageRollup(Rollup):
    """By model, provider, operation, currency, outcome and cost status."""

    class Meta:
        db_table = "agentcore_metering_rollup"
        verbose_name = "usage rollup"
        verbose_name_plural = "usage rollups"
        indexes = [models.Index(fields=["grain", "bucket"], name="metering_rollup_bucket_idx")]

    def __str__(self) -> str:
        return f"{Grain(self.grain).label} {self.bucket:%Y-%m-%d %H:%M} {self.model}"


class DetailRollup(Rollup):
    """By answering model and error too."""

    response_model = models.CharField("answering model", max_length=200, null=True)
    error_type = models.CharField("error type", max_length=255, null=True)

    class Meta:
        db_table = "agentcore_metering_rollup_detail"
        verbose_name = "detailed usage rollup"
        verbose_name_plural = "detailed usage rollups"
        indexes = [models.Index(fields=["grain", "bucket"], name="metering_rollup_dtl_bkt_idx")]

    def __str__(self) -> str:
        return f"{Grain(self.grain).label} {self.bucket:%Y-%m-%d %H:%M} {self.response_model} {self.error_type}"


class UserRollup(Rollup):
    """By user too."""

    user = models.ForeignKey(
        AUTH_USER_MODEL,
        verbose_name="user",
        # The usage rows say whose they are; a rollup follows them.
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )

    class Meta:
        db_table = "agentcore_metering_rollup_user"
        verbose_name = "usage rollup by user"
        verbose_name_plural = "usage rollups by user"
        indexes = [
            models.Index(fields=["grain", "bucket"], name="metering_rollup_user_bkt_idx"),
            models.Index(fields=["user", "grain", "bucket"], name="metering_rollup_user_idx"),
        ]

    def __str__(self) -> str:
        return f"{Grain(self.grain).label} {self.bucket:%Y-%m-%d %H:%M} {self.user_id} {self.model}"


class UserTotalRollup(Cell):
    """By user and currency alone: for the question who uses how much, of every user."""

    user = models.ForeignKey(
        AUTH_USER_MODEL,
        verbose_name="user",
        on_delete=models.DO_NOTHING,  # as in `UserRollup`
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    succeeded_calls = models.BigIntegerField("succeeded rows")
    cancelled_calls = models.BigIntegerField("cancelled rows")

    class Meta:
        db_table = "agentcore_metering_rollup_user_total"
        verbose_name = "usage rollup of each user"
        verbose_name_plural = "usage rollups of each user"
        indexes = [models.Index(fields=["grain", "bucket"], name="metering_rollup_utot_bkt_idx")]

    def __str__(self) -> str:
        return f"{Grain(self.grain).label} {self.bucket:%Y-%m-%d %H:%M} {self.user_id}"


class NodeRollup(Rollup):
    """By node too."""

    node_name = models.CharField("node", max_length=255, null=True)

    class Meta:
        db_table = "agentcore_metering_rollup_node"
        verbose_name = "usage rollup by node"
        verbose_name_plural = "usage rollups by node"
        indexes = [models.Index(fields=["grain", "bucket"], name="metering_rollup_node_bkt_idx")]

    def __str__(self) -> str:
        return f"{Grain(self.grain).label} {self.bucket:%Y-%m-%d %H:%M} {self.node_name} {self.model}"


class ConfigRollup(Rollup):
    """By configuration and source type too."""

    config_uuid = models.UUIDField("configuration", null=True)
    source_type = models.CharField("source type", max_length=255, null=True)

    class Meta:
        db_table = "agentcore_metering_rollup_config"
        verbose_name = "usage rollup by configuration"
        verbose_name_plural = "usage rollups by configuration"
        indexes = [models.Index(fields=["grain", "bucket"], name="metering_rollup_conf_bkt_idx")]

    def __str__(self) -> str:
        return f"{Grain(self.grain).label} {self.bucket:%Y-%m-%d %H:%M} {self.config_uuid} {self.model}"


class RollupCoverage(models.Model):
    """The one stretch of hours within which every write to a usage row leaves a mark. One row."""

    covered_from = models.DateTimeField("covered from", null=True)
    covered_until = models.DateTimeField("covered until", null=True, help_text="The first hour after it.")
    refreshed_at = models.DateTimeField("refreshed", null=True)
    fives_at = models.DateTimeField(
        "fives refreshed",
        null=True,
        help_text="As `refreshed_at` where the sums of five days follow the others; an older release moves that one alone.",
    )
    kept_until = models.DateTimeField(
        "kept until",
        null=True,
        help_text="Midnight, UTC: what was summed up before it stays as it is, because retention has deleted the rows.",
    )

    class Meta:
        db_table = "agentcore_metering_rollup_coverage"
        verbose_name = "rollup coverage"
        verbose_name_plural = "rollup coverage"

    def __str__(self) -> str:
        return f"{self.covered_from} - {self.covered_until}"


class RollupMark(models.Model):
    """An hour whose rollups do not hold, nor those of its day and month. There may be several of one hour."""

    hour = models.DateTimeField("hour")
    transaction = models.BigIntegerField(
        "transaction", null=True, help_text="Which one wrote the row, so that it leaves one mark only."
    )

    class Meta:
        db_table = "agentcore_metering_rollup_mark"
        verbose_name = "rollup mark"
        verbose_name_plural = "rollup marks"
        indexes = [models.Index(fields=["hour", "transaction"], name="metering_rollup_mark_idx")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}"
