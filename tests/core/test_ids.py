"""Ids: of one version, in their order, and other ones in each process."""

from __future__ import annotations

import subprocess
import sys

from agentcore_metering.core.ids import uuid7

FORKED = """
import os, sys
from agentcore_metering.core.ids import uuid7
uuid7()
reader, writer = os.pipe()
for _ in range(2):
    if os.fork() == 0:
        os.write(writer, uuid7().bytes[6:])
        os._exit(0)
    os.wait()
print(len({uuid7().bytes[6:], os.read(reader, 10), os.read(reader, 10)}))
"""


def test_uuid7_of_forked_processes_are_not_the_same() -> None:
    finished = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)

    assert finished.stdout.strip() == "3"


def test_uuid7_is_version_7_and_ordered_by_time() -> None:
    ids = [uuid7() for _ in range(3)]

    assert {(value.version, value.variant) for value in ids} == {(7, "specified in RFC 4122")}
    assert [value.int >> 80 for value in ids] == sorted(value.int >> 80 for value in ids)
