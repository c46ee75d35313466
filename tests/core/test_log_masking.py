"""No record of LiteLLM's loggers carries a secret of a call, wherever in the record it stands."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from agentcore_metering.core import log_masking
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.log_masking import GENERATION, LOGGERS, install_filter, remember_secrets
from agentcore_metering.core.types import CallContext
from tests.fakes import ScriptedBackend, World, make_request

SECRET = 'k/ey "xylophone" of nobody'


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> _Kept:
    """What the first of LiteLLM's loggers passes on; nothing is known but what the test remembers."""
    monkeypatch.setattr(log_masking, "_known", log_masking._Known())
    handler = _Kept()
    logger = logging.getLogger(LOGGERS[0])
    # LiteLLM, where another test has loaded it, has filters and handlers of its own that come first.
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(logger, "handlers", [handler])
    install_filter()
    return handler


def log_failure(logger: logging.Logger) -> None:
    try:
        {}[SECRET]
    except LookupError:
        logger.exception("no answer")


@pytest.mark.parametrize(
    "log",
    [
        lambda logger: logger.error(SECRET),
        lambda logger: logger.error("refused: %s, %d%%", SECRET, 5),
        lambda logger: logger.error("refused: %s", {"api_key": SECRET}),
        lambda logger: logger.error("refused: %(key)s", {"key": LookupError(SECRET)}),
        lambda logger: logger.error("refused", extra={"body": {"api_key": SECRET}}),
        lambda logger: logger.error("refused", extra={"body": SECRET}),
        lambda logger: logger.error("GET /models?q=k%2Fey%20%22xylophone%22%20of%20nobody"),
        log_failure,
    ],
    ids=["message", "argument", "dict", "named", "extra-object", "extra-text", "in-a-url", "traceback"],
)
def test_a_known_secret_is_masked_wherever_it_stands(kept: _Kept, log: Callable[[logging.Logger], None]) -> None:
    remember_secrets((SECRET,))

    log(logging.getLogger("LiteLLM"))

    [record] = kept.records
    formatted = logging.Formatter("%(message)s").format(record)
    assert "***" in f"{formatted} {vars(record)}"
    assert "xylophone" not in f"{formatted} {vars(record)}"


def test_a_tracebacks_frames_which_hold_the_key_do_not_leave(kept: _Kept) -> None:
    log_failure(logging.getLogger("LiteLLM"))

    [record] = kept.records
    assert record.exc_info is None
    assert "KeyError" in (record.exc_text or "")


def test_a_record_without_a_secret_stays_as_it_is(kept: _Kept) -> None:
    remember_secrets((SECRET,))

    logging.getLogger("LiteLLM").error("%d%% of %s", 5, "tokens", extra={"count": 7})

    [record] = kept.records
    assert (record.msg, record.args, vars(record)["count"]) == ("%d%% of %s", (5, "tokens"), 7)


def test_what_cannot_be_masked_is_not_logged(kept: _Kept, capsys: pytest.CaptureFixture[str]) -> None:
    remember_secrets((SECRET,))

    logging.getLogger("LiteLLM").error("%d tokens", SECRET)

    assert kept.records[0].getMessage() == "A record of LiteLLM's could not be masked: TypeError"
    assert capsys.readouterr().err.count("xylophone") == 0


@pytest.mark.parametrize("name", LOGGERS)
def test_every_logger_of_litellms_masks_once(name: str) -> None:
    install_filter()
    install_filter()

    assert logging.getLogger(name).filters.count(log_masking._filter) == 1


def test_a_secret_that_begins_with_another_one_is_masked_whole(kept: _Kept) -> None:
    remember_secrets(("abcdef", "abcdefghij"))

    logging.getLogger("LiteLLM").error("refused: abcdefghij")

    assert kept.records[0].getMessage() == "refused: ***"


def test_the_latest_secrets_are_known_and_the_oldest_forgotten(kept: _Kept) -> None:
    for number in range(2 * GENERATION + 1):
        remember_secrets((f"secret<{number}>",))

    logging.getLogger("LiteLLM").error("secret<0> secret<%d> secret<%d>", GENERATION, 2 * GENERATION)

    assert kept.records[0].getMessage() == "secret<0> *** ***"


def test_a_calls_secrets_are_known_before_its_request_is_sent(kept: _Kept) -> None:
    world = World(ScriptedBackend())
    call = Call(world.services, make_request(secrets=("the-key-xylophone",)), CallContext())

    call.begin_attempt()
    logging.getLogger("LiteLLM").error("refused: the-key-xylophone")

    assert kept.records[0].getMessage() == "refused: ***"
