"""`python -m tests.grafana.preview_data FILE`: play for a minute or two and write what every panel gets, for `grafana/preview`."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.grafana import shipped, stage
from tests.grafana.documents import DASHBOARDS, filled_in
from tests.grafana.scene import Scene, answers, in_sql, playing

WORKERS = ((1, 140, 0.4), (2, 110, 0.5), (3, 90, 0.6), (4, 180, 0.3))
SUCCESSOR = (5, 40, 0.3)
HOUR_S = 3600


def main(path: Path) -> None:
    lacking = stage.missing()
    if lacking:
        sys.exit(f"lacks {lacking}")
    with tempfile.TemporaryDirectory() as directory, playing(Path(directory), WORKERS, SUCCESSOR) as scene:
        panels = {
            name: [
                {"panel": panel, "answers": [_answer(scene, query) for query in panel.get("targets", ())]}
                for panel in dashboard["panels"]
            ]
            for name, dashboard in DASHBOARDS.items()
        }
        titles = {name: dashboard["title"] for name, dashboard in DASHBOARDS.items()}
        times = {"from": scene.start_s * 1000, "to": scene.end_s * 1000}
        path.write_text(json.dumps({"panels": panels, "titles": titles, **times}))


def _answer(scene: Scene, query: dict[str, Any]) -> Any:
    kind = query["datasource"]["type"]
    if kind == "prometheus":
        engine = scene.engines[shipped.NAME]
        if query.get("interval") == "1h":
            hours = ((math.floor(scene.start_s / HOUR_S) + 1) * HOUR_S, math.ceil(scene.end_s / HOUR_S) * HOUR_S)
            return {"series": engine.query_range(filled_in(query["expr"], scene.values()), *hours, HOUR_S)}
        return {"series": answers(scene, engine, query)}
    if kind == "tempo":
        return {}
    with scene.host.connect(as_reader=True) as connection:
        cursor = connection.execute(in_sql(scene, query["rawSql"]))  # type: ignore[call-overload]
        columns = [column.name for column in cursor.description]
        return {"columns": columns, "rows": [[_plain(value) for value in row] for row in cursor.fetchall()]}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.timestamp() * 1000
    return value if isinstance(value, (int, float, str, type(None))) else str(value)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
