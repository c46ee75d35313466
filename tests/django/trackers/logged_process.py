"""A process in which LiteLLM logs all that it can: `python -m tests.django.trackers.logged_process`, with `LITELLM_LOG=DEBUG`.

Every operation is answered by a stub provider that refuses the key and repeats it; what was logged goes to stderr.
"""

from __future__ import annotations

import logging
import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - models need the setup

from example.stub_provider import StubProvider, directive  # noqa: E402
from tests.django.builders import KEY  # noqa: E402
from tests.django.trackers.operation_cases import LOGGED, run  # noqa: E402


def main() -> None:
    """Every operation, whole and streamed, in a thread and on an event loop; refused and answered."""
    call_command("migrate", verbosity=0)
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
    with StubProvider() as stub:
        for case in LOGGED:
            config = case.make_config(stub)
            for text in (directive(status=401, echo_key=True), directive(text="fine")):
                case.try_all(text, run)
            config.delete()
        assert all(request.api_key == KEY for request in stub.requests)
        # Refused and answered, in a thread and on a loop; some are streamed besides.
        assert len(stub.requests) > 4 * len(LOGGED), len(stub.requests)


if __name__ == "__main__":
    main()
