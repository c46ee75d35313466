"""The plugin as a host uses it: a directory of tests outside this repository's, and the blocks of docs/testing.md as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agentcore_metering.testing import FakeLLM

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "testing.md"
CONFTEST = 'pytest_plugins = ["agentcore_metering.testing"]\n'


def run_suite(directory: Path) -> str:
    """The last line of a pytest run there, on the settings of this suite."""
    (directory / "pytest.ini").write_text("[pytest]\nDJANGO_SETTINGS_MODULE = tests.settings\n")
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-W",
            "error::pytest.PytestWarning",
            str(directory),
        ],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT), "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout.splitlines()[-1]


def test_hosts_suite_passes_with_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    shutil.copy(Path(__file__).with_name("host_suite.py"), tmp_path / "test_host.py")

    assert " passed" in run_suite(tmp_path)


@pytest.mark.skipif(not PAGE.exists(), reason="the documents are not beside the tests here")
def test_blocks_of_the_page_pass_as_they_stand(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for name, block in blocks:
        (tmp_path / name).write_text(block)

    assert [name for name, _ in blocks] == ["conftest.py", "test_answers.py", "test_traces.py", "test_journal.py"]
    assert "8 passed" in run_suite(tmp_path)


def test_module_is_imported_before_django_is_set_up() -> None:
    script = "import sys, agentcore_metering.testing; print(any(name.startswith('django') for name in sys.modules))"
    finished = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert finished.stdout.strip() == "False"


def test_fake_counts_words() -> None:
    fake = FakeLLM()

    assert fake.count_tokens("m", text="two words") == 2
    assert fake.count_tokens("m", messages=[{"content": "three more words"}]) == 3
