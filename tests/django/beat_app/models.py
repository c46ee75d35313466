from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


class IntervalSchedule(models.Model):
    every = models.IntegerField()
    period = models.CharField(max_length=24)

    class Meta:
        app_label = "django_celery_beat"

    def __str__(self) -> str:
        return f"{self.every} {self.period}"


class CrontabSchedule(models.Model):
    minute = models.CharField(max_length=240, default="*")
    hour = models.CharField(max_length=96, default="*")
    day_of_month = models.CharField(max_length=124, default="*")
    month_of_year = models.CharField(max_length=64, default="*")
    day_of_week = models.CharField(max_length=64, default="*")
    timezone = models.CharField(max_length=63, default="UTC")

    class Meta:
        app_label = "django_celery_beat"

    def __str__(self) -> str:
        return f"{self.minute} {self.hour}"


class PeriodicTask(models.Model):
    name = models.CharField(max_length=200, unique=True)
    task = models.CharField(max_length=200)
    interval = models.ForeignKey(IntervalSchedule, on_delete=models.CASCADE, null=True, blank=True)
    crontab = models.ForeignKey(CrontabSchedule, on_delete=models.CASCADE, null=True, blank=True)
    solar = models.IntegerField(null=True)
    clocked = models.IntegerField(null=True)
    queue = models.CharField(max_length=200, null=True, default=None)  # noqa: DJ001 - as it is there
    kwargs = models.TextField(default="{}")
    enabled = models.BooleanField(default=True)

    class Meta:
        app_label = "django_celery_beat"

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As there: exactly one kind of schedule."""
        if [self.interval, self.crontab, self.solar, self.clocked].count(None) != 3:
            raise ValidationError("One of clocked, interval, crontab, or solar must be set.")
        super().save(*args, **kwargs)
