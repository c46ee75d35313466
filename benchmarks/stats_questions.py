"""What is asked of figures and rows: requests to the API, with all that its views do, and questions in Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

__all__ = ["Question", "export_of", "pages", "questions"]

Question = Callable[[], object]
Params = Mapping[str, str]

_TOP_10 = {"order": "-cost", "limit": "10"}
_PREFIX = "/"


def questions(until: datetime) -> dict[str, Question]:
    """Name -> what answers it, of the database that the settings name at that moment."""
    asked: dict[str, Question] = {
        name: partial(_json, "token-stats/", params) for name, params in _stats_requests(until).items()
    }
    asked |= _cubes(until)
    return asked | {
        f"breakdown: {name}": partial(_json, "usage-breakdown/", params) for name, params in _breakdowns(until).items()
    }


def _stats_requests(until: datetime) -> dict[str, Params]:
    yesterday, today = _day(until, 1), _day(until, 0)
    day = {"start_date": today, "end_date": today, "granularity": "day"}
    month = {"start_date": _day(until, 30), "end_date": today, "granularity": "month"}
    year = {"start_date": _day(until, 364), "end_date": today, "granularity": "year"}
    series = {"use_series": "1"}
    return {
        "today by hours": day,
        "yesterday by hours, by model": day | series | {"start_date": yesterday, "end_date": yesterday},
        "a month by days": month,
        "a month by days, by model": month | series,
        "a year by months": year,
        "a year by months, by model": year | series,
        "everything, no range": {},
        "everything by months, no range": {"granularity": "year"},
        "crooked hours of a quarter, no series": {
            "start_date": f"{until - timedelta(days=90):%Y-%m-%dT%H}:17:31Z",
            "end_date": f"{until - timedelta(hours=30):%Y-%m-%dT%H}:41:03Z",
        },
        "a month by days in Shanghai": month | {"tz": "Asia/Shanghai"},
        "a year by months in Kathmandu": year | {"tz": "Asia/Kathmandu"},
        "one user, today": day | {"user_id": "17"},
        "one user, a month by days": month | series | {"user_id": "17"},
        "one user, a year by months": year | series | {"user_id": "17"},
        "one user, no range": {"user_id": "17"},
    }


def _cubes(until: datetime) -> dict[str, Question]:
    from agentcore_metering.adapters.django.conf import metering_settings
    from agentcore_metering.adapters.django.stats.cube import CubeQuery, cube_rows
    from agentcore_metering.adapters.django.stats.params import parse_period

    period = parse_period({"start_date": _day(until, 364), "end_date": _day(until, 0)})
    asked: dict[str, Question] = {}
    for dimensions in (("user_id",), ("node_name",), ("config_uuid", "source_type"), ("provider", "model", "outcome")):
        query = CubeQuery(dimensions, period)
        asked[f"a year by {', '.join(dimensions)}"] = lambda query=query: cube_rows(  # type: ignore[misc]
            query, metering_settings.DATABASE_ALIAS
        )
    return asked


def _breakdowns(until: datetime) -> dict[str, Params]:
    """Percentiles included."""
    year = {"start_date": _day(until, 364), "end_date": _day(until, 0)}
    month = {"start_date": _day(until, 30), "end_date": _day(until, 0)}
    return {
        "a year by model": year | {"group_by": "model"},
        "a year by user, top 10": year | _TOP_10 | {"group_by": "user"},
        "a year by user, all 500": year | {"group_by": "user", "limit": "1000"},
        "a month by user, top 10": month | _TOP_10 | {"group_by": "user"},
        "a month by user, top 10, compared": month | _TOP_10 | {"group_by": "user", "compare": "previous"},
        "a month by model and day": month | {"group_by": "model,day"},
        "a month by node, top 10": month | _TOP_10 | {"group_by": "node"},
        "a month by user and model, top 10": month | _TOP_10 | {"group_by": "user,model"},
        "one user's year by model": year | {"group_by": "model", "user": "17"},
    }


def pages(rows: int) -> dict[str, Question]:
    """Pages of the list: the first by number, and walks by cursor behind ever more of the rows."""
    asked: dict[str, Question] = {
        "list: page 1 of 100, with the total": partial(_json, "llm-usage/", {"page_size": "100"})
    }
    for share in (0.0, 0.1, 0.5, 0.99):
        params = {"page_size": "100", "cursor": _cursor_at(int(rows * share))}
        asked[f"list: cursor behind {share:.0%} of the rows"] = partial(_json, "llm-usage/", params)
    for name, value in {"provider": "provider-1", "status": "failed", "user_id": "7"}.items():
        params = {"page_size": "100", "cursor": "", name: value}
        asked[f"list: first page by cursor, {name}={value}"] = partial(_json, "llm-usage/", params)
    return asked


def export_of(start: datetime, end: datetime, file_format: str) -> int:
    """How many bytes the view streams for the rows from `start` to `end`."""
    params = {"start_date": start.isoformat(), "end_date": end.isoformat(), "format": file_format}
    return sum(len(chunk) for chunk in _response("llm-usage/export/", params).streaming_content)


def _day(until: datetime, days_ago: int) -> str:
    return f"{until - timedelta(days=days_ago):%Y-%m-%d}"


def _cursor_at(offset: int) -> str:
    from agentcore_metering.adapters.django.conf import metering_settings
    from agentcore_metering.adapters.django.models import LLMUsage
    from agentcore_metering.adapters.django.stats.cursors import Cursor, encode_cursor

    if not offset:
        return ""
    rows = LLMUsage.objects.using(metering_settings.DATABASE_ALIAS).order_by("-created_at", "-id")
    return encode_cursor(Cursor(*rows.values_list("created_at", "id")[offset]), ())


def _json(path: str, params: Params) -> Any:
    """The answer as the client gets it, read."""
    return json.loads(_response(path, params).render().content)


def _response(path: str, params: Params) -> Any:
    from django.contrib.auth import get_user_model
    from django.urls import resolve
    from rest_framework.test import APIRequestFactory, force_authenticate

    address = f"{_PREFIX}{path}"
    request = APIRequestFactory().get(address, params)
    # Never saved: whom it asks for is known without a query.
    force_authenticate(request, get_user_model()(username="root", is_superuser=True, is_staff=True))
    response = resolve(address).func(request)
    if response.status_code != 200:
        raise RuntimeError(f"{address} {dict(params)}: {response.status_code} {response.render().content!r}")
    return response
