"""As much of django_celery_beat as its tables tell: stands in for it where it is not installed."""
