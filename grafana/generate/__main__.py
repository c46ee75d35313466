"""`python -m grafana.generate`: write the dashboards. A test holds the committed files to what this writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grafana.generate import cost, overview, reconciliation, reliability, traces

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"
DASHBOARDS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "overview": overview.build,
    "cost": cost.build,
    "reliability": reliability.build,
    "traces": traces.build,
    "reconciliation": reconciliation.build,
}


def rendered() -> dict[str, str]:
    """The files' contents by name."""
    return {f"{name}.json": json.dumps(build(), indent=2) + "\n" for name, build in DASHBOARDS.items()}


def main() -> None:
    """Write them."""
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
