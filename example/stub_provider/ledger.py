"""What the stub was asked and what it answered, for assertions.

Thread-safe. A request is entered, with its whole answer, before the first byte of that answer leaves, so a client that
has its answer always finds it here.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from example.stub_provider.answers import Usage
    from example.stub_provider.plans import Outcome
    from example.stub_provider.wire import JsonObject


KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request and what was answered. Header names are lower-case.

    `status` None: closed without an answer. `usage` and `cost` are what the client was told in full; None when it was
    not: an error, a stream cut short or without usage, an operation that uses no tokens.
    """

    path: str
    headers: Mapping[str, str]
    body: JsonObject
    api_key: str | None
    status: int | None
    outcome: Outcome
    usage: Usage | None
    cost: Decimal | None


class Ledger:
    """The received requests, oldest first; the latest `KEPT` of them, because a server may run for days."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: deque[ReceivedRequest] = deque(maxlen=KEPT)

    def enter(self, received: ReceivedRequest) -> None:
        with self._lock:
            self._requests.append(received)

    def amend(self, received: ReceivedRequest, outcome: Outcome) -> None:
        """Changes how `received` ended; does nothing when it is gone."""
        with self._lock:
            for index, known in enumerate(self._requests):
                if known is received:
                    self._requests[index] = replace(known, outcome=outcome)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def entries(self) -> tuple[ReceivedRequest, ...]:
        with self._lock:
            return tuple(self._requests)
