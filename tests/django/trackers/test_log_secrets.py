"""What LiteLLM logs of a call never holds its key, though the provider repeats it: every operation, at ERROR and at DEBUG."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from example.stub_provider import StubProvider, directive
from tests.django.builders import KEY
from tests.django.trackers.operation_cases import LOGGED, OperationCase, run

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.django_db
@pytest.mark.parametrize("case", LOGGED, ids=lambda case: f"{case.function}-{case.provider}")
def test_no_record_of_any_logger_holds_the_key_that_a_provider_repeats(
    case: OperationCase, stub: StubProvider, caplog: pytest.LogCaptureFixture
) -> None:
    case.make_config(stub)

    with caplog.at_level(logging.INFO):
        case.try_all(directive(status=401, echo_key=True), run)

    assert {request.status for request in stub.requests} == {401}
    assert KEY not in caplog.text
    assert not [record for record in caplog.records if KEY in repr(vars(record))]


def test_a_reranks_error_is_still_logged(stub: StubProvider, db: None, caplog: pytest.LogCaptureFixture) -> None:
    [rerank] = [case for case in LOGGED if case.function == "rerank"]
    rerank.make_config(stub)

    rerank.try_all(directive(status=401, echo_key=True), run)

    assert "Error in rerank" in caplog.text
    assert "Key received: ***" in caplog.text


def test_at_debug_a_process_of_its_own_logs_no_key(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "LITELLM_LOG": "DEBUG",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
    }

    done = subprocess.run(
        [sys.executable, "-m", "tests.django.trackers.logged_process"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.count("DEBUG:LiteLLM:") > 1000
    assert [line for line in (done.stdout + done.stderr).splitlines() if KEY in line] == []
