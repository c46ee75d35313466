"""Measures and prints: `python -m benchmarks.overhead --help`, or `make overhead ARGS="..."`.

One process makes the same call in each way, in turns, so that a machine that slows down slows all of them. `bare again` is the control:
a difference no larger than its is noise. Rows are counted at the end, because a meter that loses them would be cheap.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from benchmarks.bench_process import describe_machine
from benchmarks.overhead import peers
from benchmarks.overhead.host import flush_telemetry, running_host
from benchmarks.overhead.measure import compared, table
from benchmarks.overhead.provider import counts, running_provider
from benchmarks.overhead.shapes import SHAPES
from benchmarks.overhead.steady import STRETCHES, memory_bytes, steady_state
from benchmarks.overhead.ways import Way, bare, metered

STEADY_CALLS = 200
MEMORY_STEPS = 10
DRAIN_WAIT_S = 120
EXPORTS = ("/traces", "/metrics", "/logs")


def main() -> None:
    """Measure and print; exit 1 where a row is missing or steady state takes SQL or connections."""
    options = _options()
    with running_provider() as address, running_host(address, options.database, has_sdk=not options.no_sdk):
        print(
            f"{describe_machine()}; rows to {options.database}; {'no SDK' if options.no_sdk else 'SDK with OTLP export'}"
        )
        ways = [bare("bare LiteLLM", address), bare("bare again", address), metered(_emits(options))]
        ways += [peer for name in options.peers for peer in peers.make(name, address)]
        if options.disable_stream_logging:
            _disable_stream_logging()
        for shape in options.shapes:
            print(f"\n{shape}: {options.rounds} rounds of {options.calls} calls")
            print(*table(ways, compared(ways, shape, options.rounds, options.calls, _settle)), sep="\n")
        is_right = _check_steady(ways[2], address)
        if options.memory:
            for made, size_bytes in memory_bytes(ways[2], options.memory, MEMORY_STEPS, _settle):
                print(f"{made:>8,} calls: {size_bytes / 2**20:.1f} MiB resident")
        is_right &= _check_rows(ways, options)
        received = counts(address)
        is_right &= _check_spans(ways, received, options)
        print(
            "exports received:", *(f"{n} at {path}" for path, n in sorted(received.items()) if path.endswith(EXPORTS))
        )
    sys.exit(0 if is_right else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="what to call (default: all)")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each way (default 15)")
    parser.add_argument("--calls", type=int, default=32, help="calls in a turn (default 32)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite", help="where rows go")
    parser.add_argument("--no-sdk", action="store_true", help="without an OpenTelemetry SDK: the row alone")
    parser.add_argument(
        "--disable-stream-logging", action="store_true", help="LiteLLM's per-chunk logging off, for all ways"
    )
    parser.add_argument(
        "--memory", type=int, default=0, metavar="CALLS", help="also the resident set over so many calls"
    )
    parser.add_argument(
        "--peers", nargs="*", choices=peers.NAMES, default=[], help="others in the same table; see peers.txt"
    )
    return parser.parse_args()


def _emits(options: argparse.Namespace) -> str:
    return "row" if options.no_sdk else "span, metrics, row"


def _settle() -> None:
    """What a turn leaves behind belongs to it: rows into the database, spans and metrics to the sink."""
    from agentcore_metering.adapters.django.runtime import flush

    flush(DRAIN_WAIT_S)
    flush_telemetry()


def _disable_stream_logging() -> None:
    import litellm

    litellm.disable_streaming_logging = True


def _check_steady(way: Way, address: str) -> bool:
    statements, connections = steady_state(way, address, STEADY_CALLS)
    print(
        f"\nsteady state, {STEADY_CALLS} calls: {statements} SQL statements in the caller's thread, {connections} new connections"
    )
    return not statements and not connections


def _check_rows(ways: Sequence[Way], options: argparse.Namespace) -> bool:
    from agentcore_metering.adapters.django.models import LLMUsage

    expected: int = len(options.shapes) * (options.rounds + 1) * options.calls + STRETCHES * STEADY_CALLS
    expected += options.memory // MEMORY_STEPS * MEMORY_STEPS
    _settle()
    stored: int = LLMUsage.objects.filter(success=True, prompt_tokens__gt=0).count()
    print(f"{stored:,} rows of {expected:,} metered calls")
    return stored == expected


def _check_spans(ways: Sequence[Way], received: Mapping[str, int], options: argparse.Namespace) -> bool:
    """A meter that loses its spans would be cheap, too."""
    calls = len(options.shapes) * (options.rounds + 1) * options.calls
    is_right = True
    for way in ways:
        if way.scope:
            spans = received.get(f"spans {way.scope}", 0)
            print(f"{way.name}: {spans:,} spans of {way.scope}, {calls:,} calls compared")
            is_right &= spans >= calls
    return is_right


if __name__ == "__main__":
    main()
