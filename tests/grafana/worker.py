"""One worker process of the example host without its HTTP: `python -m tests.grafana.worker SEED COUNT PAUSE_S`.

Makes calls of every kind, at its own pace, and ends as a server does: its metrics are sent and its rows delivered on the way out.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from typing import Any

from example.host import tracing
from example.seed import config_id
from example.stub_provider import directive


def main(seed: int, count: int, pause_s: float) -> None:
    tracing.configure()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.host.settings")
    import django

    django.setup()
    chance = random.Random(seed)
    kinds = list(KINDS)
    for number in range(count):
        tokens = {"in_": chance.randrange(1, 5000), "out": chance.randrange(1, 900)}
        tokens |= {"cached": chance.randrange(tokens["in_"]), "reasoning": chance.randrange(tokens["out"])}
        KINDS[kinds[number % len(kinds)]](f"{seed}-{number}", tokens)
        time.sleep(pause_s)


def ask(key: str, config: str = "default", stream: bool = False, **wish: Any) -> Any:
    from agentcore_metering.adapters.django import LLMTracker

    state = {"node_name": f"node-{key[-1]}", "metadata": {"tenant_id": f"tenant-{key[-1]}"}, "tenant_id": f"t{key[-1]}"}
    messages = [{"role": "user", "content": f"{key}: {directive(key=key, **wish)}"}]
    return LLMTracker.call_and_track(messages=messages, model_uuid=config_id(config), state=state, stream=stream)


def plain(key: str, tokens: dict[str, int]) -> None:
    ask(key, **tokens)


def yuan(key: str, tokens: dict[str, int]) -> None:
    ask(key, "cny", **tokens)


def streamed(key: str, tokens: dict[str, int]) -> None:
    list(ask(key, stream=True, text="yes indeed it is", chunks=4, **tokens))


def unpriced(key: str, tokens: dict[str, int]) -> None:
    ask(key, "unpriced", **tokens)


def given_up(key: str, tokens: dict[str, int]) -> None:
    stream = ask(key, stream=True, text="yes indeed it is", chunks=4, **tokens)
    next(stream)
    stream.close()


def refused(key: str, tokens: dict[str, int]) -> None:
    with contextlib.suppress(Exception):
        ask(key, "cny", status=401)


def retried(key: str, tokens: dict[str, int]) -> None:
    ask(key, status=429, retry_after=0, fail_times=1, **tokens)


def embedded(key: str, tokens: dict[str, int]) -> None:
    from agentcore_metering.adapters.django import LLMTracker

    LLMTracker.embedding(f"some text {key}", model_uuid=config_id("embedding"))


KINDS = {each.__name__: each for each in (plain, yuan, streamed, unpriced, given_up, refused, retried, embedded)}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
