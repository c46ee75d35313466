"""Owns how a run is told: the figures, for people."""

from __future__ import annotations

from benchmarks.chaos.run import Result

__all__ = ["tell"]


def tell(result: Result) -> None:
    """Print the figures of a run."""
    reckoning = result.reckoning
    fast_rows = reckoning.rows - reckoning.litellm_rows
    print(f"calls served by the provider   {reckoning.served:>8,}")
    print(f"  through LLMTracker + LiteLLM {reckoning.litellm_rows:>8,}   (rows; some 7 ms of processor time a call)")
    print(
        f"  by the fast path             {fast_rows:>8,}   (rows; core, telemetry and journal over plain HTTP, without LiteLLM)"
    )
    print(f"faults                         {sum(result.faults.values()):>8,}   the disk that was filled: {result.disk}")
    for kind, count in result.faults.items():
        print(f"  {kind:<42} {count:>4}")
    statuses = ", ".join(f"{count:,} {status}" for status, count in sorted(reckoning.statuses.items()))
    print(f"rows                           {reckoning.rows:>8,}   {statuses}")
    print(f"lost                           {len(reckoning.lost):>8,}")
    print(f"duplicated                     {reckoning.duplicated:>8,}")
    print(f"wrong tokens, status or cost   {len(reckoning.wrong):>8,}")
    print(f"exceptions at callers          {reckoning.complaints:>8,}   errors that metering hid included")
    print(
        f"refused before they were sent  {reckoning.refused:>8,}   (LLMTracker: no configuration, the database was away)"
    )
    print(
        f"metering kept callers          p50 {reckoning.quantile_us(0.5):,.0f} us, p99 {reckoning.quantile_us(0.99):,.0f} us, "
        f"p99.9 {reckoning.quantile_us(0.999):,.0f} us, longest {reckoning.quantile_us(1) / 1000:,.1f} ms"
    )
    others = {name: count for name, count in reckoning.faults.items() if name not in ("lost", "duplicated", "wrong")}
    if result.calm_failures:
        others["disks that were full, and a database that did not get what was in memory in time"] = (
            result.calm_failures
        )
    if others:
        print(f"also found                     {others}")
