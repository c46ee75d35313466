"""The command line of the stub provider: serves on loopback until it is interrupted or terminated."""

from __future__ import annotations

import argparse
import signal
import threading

from example.stub_provider.server import StubProvider


def main() -> None:
    """Serves until SIGINT or SIGTERM; prints the address first, so that a script knows when it may call."""
    parser = argparse.ArgumentParser(
        prog="python -m example.stub_provider", description="A stand-in for LLM providers."
    )
    parser.add_argument("--port", type=int, default=9100, help="port on 127.0.0.1; 0 takes a free one (default: 9100)")
    port = parser.parse_args().port
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    with StubProvider(port) as stub:
        print(f"stub provider on {stub.base_url}", flush=True)
        interrupted.wait()


if __name__ == "__main__":
    main()
