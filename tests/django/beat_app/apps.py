from __future__ import annotations

from django.apps import AppConfig


class BeatConfig(AppConfig):
    name = "tests.django.beat_app"
    label = "django_celery_beat"
    default_auto_field = "django.db.models.AutoField"
