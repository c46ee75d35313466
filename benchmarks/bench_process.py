"""Owns what a measuring process needs before it measures: a database of its own, Django on it, and a directory for the journal."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.postgres import Cluster, running_cluster

__all__ = ["describe_machine", "django_on_databases", "django_on_postgres", "django_on_sqlite", "quantile", "verdict"]


@contextmanager
def django_on_postgres() -> Iterator[tuple[Cluster, Path]]:
    """A started PostgreSQL with the tables in it, and an empty directory. Django is set up in this process: once, therefore."""
    with (
        running_cluster() as cluster,
        tempfile.TemporaryDirectory(prefix="metering-bench-") as directory,
        _django_on(cluster.url, directory),
    ):
        yield cluster, Path(directory)


@contextmanager
def django_on_databases(kept_in: Path | None, names: Sequence[str]) -> Iterator[None]:
    """Django on databases of one PostgreSQL: the first is `default`, a second one `compared`. They stay where `kept_in` says."""
    with (
        running_cluster(kept_in=kept_in) as cluster,
        tempfile.TemporaryDirectory(prefix="metering-bench-") as directory,
    ):
        for name in names:
            cluster.make_database(name)
        if len(names) > 1:
            os.environ["COMPARED_DATABASE_URL"] = cluster.url_of(names[1])
        with _django_on(cluster.url_of(names[0]), directory):
            yield


@contextmanager
def django_on_sqlite() -> Iterator[Path]:
    """The same on a file of SQLite in that directory."""
    with (
        tempfile.TemporaryDirectory(prefix="metering-bench-") as directory,
        _django_on(f"sqlite:///{directory}/usage.sqlite3", directory),
    ):
        yield Path(directory)


@contextmanager
def _django_on(url: str, directory: str) -> Iterator[None]:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "DATABASE_URL": url,
        "SPOOL_DIR": f"{directory}/spool",
    }
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    for alias in connections:
        call_command("migrate", verbosity=0, database=alias)
    try:
        yield
    finally:
        connections.close_all()


def describe_machine() -> str:
    """Where figures come from."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"load {load:.1f} at the start"
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value at this quantile."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def verdict(figures: Sequence[tuple[str, float, float]], slack: float) -> int:
    """0 where every figure is within its limit times `slack`; prints what is not. A figure: name, value, limit."""
    missed = [(name, value, limit) for name, value, limit in figures if value > limit * slack]
    for name, value, limit in missed:
        print(f"MISSED: {name} is {value:,.1f}, the limit is {limit * slack:,.1f}")
    return int(bool(missed))
