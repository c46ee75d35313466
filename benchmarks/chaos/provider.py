"""The provider's side: the stub, with a ledger on disk that it writes before an answer leaves. `python -m benchmarks.chaos.provider DIR`."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path

from benchmarks.chaos.stage import Stage
from example.stub_provider import Outcome, ReceivedRequest, StubProvider
from example.stub_provider.ledger import Ledger

__all__ = ["CALL_KEY", "FileLedger"]

CALL_KEY = re.compile(r"call ((?P<caller>[\w.]+)/\d+)")
"""In the message of every request: whose call it is and which one."""


class FileLedger(Ledger):
    """A line for each request, `key status input_tokens output_tokens`, in the caller's file; nothing is kept in memory."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self._opening = threading.Lock()
        self._files: dict[str, int] = {}

    def enter(self, received: ReceivedRequest) -> None:
        """Put down a request that is about to be answered."""
        found = CALL_KEY.search(str(received.body.get("messages")))
        if found is None:
            return  # its caller was killed while he sent it
        usage = received.usage
        tokens = (usage.input_tokens, usage.output_tokens) if usage else (0, 0)
        line = f"{found[1]} {received.status} {tokens[0]} {tokens[1]}\n"
        os.write(self._file(found["caller"]), line.encode())

    def amend(self, received: ReceivedRequest, outcome: Outcome) -> None:
        """Nothing: a request that was served has been paid for, whoever left."""

    def _file(self, caller: str) -> int:
        with self._opening:
            if caller not in self._files:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                self._files[caller] = os.open(self._directory / caller, flags, 0o644)
            return self._files[caller]


def main() -> None:
    """Serve until told to stop; the first line printed is the address."""
    stage = Stage(Path(sys.argv[1]))
    told_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
    stub = StubProvider()
    stub.ledger = FileLedger(stage.ledger)
    with stub:
        print(stub.base_url, flush=True)
        told_to_stop.wait()


if __name__ == "__main__":
    main()
