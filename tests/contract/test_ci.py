"""`.ci/side_by_side.sh` runs two steps at a time, misses no failure, and leaves neither a process nor a file behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNNER = ROOT / ".ci" / "side_by_side.sh"
LONG_S = 60
STEPS = """
quick() { echo "quick says this"; }
talks() { for n in 1 2 3; do echo "line $n of one"; sleep 0.2; done; }
answers() { for n in 1 2 3; do echo "line $n of another"; sleep 0.2; done; }
exits_3() { echo "what went wrong"; exit 3; }
fails_in_the_midst() { echo "what went wrong"; false; echo "went on"; }
fails_in_a_pipe() { echo "what went wrong"; false | cat; echo "went on"; }
names_nothing() { echo "what went wrong"; echo "$no_such_name"; echo "went on"; }
is_killed() { echo "what went wrong"; kill -KILL $BASHPID; }
marks() { touch "$MARKS/marked"; }
makes_files() { touch "$TMPDIR/file"; }
waits() { (trap '' INT; echo $BASHPID >"$MARKS/waits"; exec sleep 50); touch "$MARKS/marked"; }
leaves_a_daemon() { setsid sh -c 'echo $$ >"$MARKS/daemon"; exec sleep 50' & until [ -s "$MARKS/daemon" ]; do sleep 0.1; done; }
fails_beside_others() { until [ -s "$MARKS/waits" ]; do sleep 0.1; done; exit 1; }
"""

pytestmark = pytest.mark.skipif(not RUNNER.exists(), reason="the checkout's own steps are not beside the wheel")


def start(plan: str, directory: Path) -> subprocess.Popen[str]:
    """A run of `plan` with its temporary files in `directory`/tmp; its steps leave their marks in `directory`."""
    (directory / "tmp").mkdir()
    return subprocess.Popen(
        ["bash", "-c", f"set -euo pipefail\n. '{RUNNER}'\n{STEPS}\npatience_s=1\n{plan}\necho done"],
        env=os.environ | {"TMPDIR": str(directory / "tmp"), "MARKS": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen[str], directory: Path) -> tuple[int, str]:
    """Exit status and output of a run, which has removed its files."""
    output, _ = process.communicate(timeout=LONG_S)
    assert not list((directory / "tmp").iterdir())
    return process.returncode, output


def read_pid(path: Path) -> int:
    """The process id that a step writes once it is under way."""
    until_s = time.monotonic() + LONG_S
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < until_s, f"no step wrote {path}"
        time.sleep(0.05)
    return int(path.read_text())


def is_running(pid: int) -> bool:
    """Whether the process has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_steps_that_pass_are_printed_whole(tmp_path: Path) -> None:
    status, output = end(start("side_by_side talks answers quick makes_files", tmp_path), tmp_path)

    assert status == 0
    assert "\nline 1 of one\nline 2 of one\nline 3 of one\n" in output
    assert "\nline 1 of another\nline 2 of another\nline 3 of another\n" in output
    assert output.endswith("done\n")


@pytest.mark.parametrize("at_once", ["side_by_side", "one_by_one"])
@pytest.mark.parametrize("step", ["exits_3", "fails_in_the_midst", "fails_in_a_pipe", "names_nothing", "is_killed"])
def test_a_step_that_fails_is_printed_last_and_ends_the_run(step: str, at_once: str, tmp_path: Path) -> None:
    status, output = end(start(f"{at_once} quick {step} talks\n{at_once} marks", tmp_path), tmp_path)

    last = output[output.index(f"\n== {step} (") :]
    assert status == 1
    assert "what went wrong" in last
    assert last.splitlines()[-1].startswith(f"== FAILED: {step} (exit status ")
    assert "went on" not in output
    assert not (tmp_path / "marked").exists()


def test_a_step_that_fails_ends_the_step_beside_it(tmp_path: Path) -> None:
    status, output = end(start("side_by_side waits fails_beside_others", tmp_path), tmp_path)

    assert (status, output.splitlines()[-1]) == (1, "== FAILED: fails_beside_others (exit status 1)")
    assert not is_running(read_pid(tmp_path / "waits"))
    assert not (tmp_path / "marked").exists()


@pytest.mark.parametrize(("sent", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_stopped_leaves_nothing_running(sent: signal.Signals, expected: int, tmp_path: Path) -> None:
    process = start("side_by_side waits leaves_a_daemon", tmp_path)
    pids = [read_pid(tmp_path / "waits"), read_pid(tmp_path / "daemon")]

    process.send_signal(sent)

    assert end(process, tmp_path)[0] == expected
    assert not [pid for pid in pids if is_running(pid)]
    assert not (tmp_path / "marked").exists()


def test_what_a_step_leaves_running_ends_with_the_run(tmp_path: Path) -> None:
    status, _ = end(start("side_by_side leaves_a_daemon quick", tmp_path), tmp_path)

    assert status == 0
    assert not is_running(read_pid(tmp_path / "daemon"))
