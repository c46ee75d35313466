"""The hooks reach an object for as long as it lives, and do not keep it alive. What a fork really does is in test_processes."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable

import pytest

from agentcore_metering.delivery.fork import survive_forks

Hook = Callable[[], None]


class Aware:
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def before_fork(self) -> None:
        self._told.append("before")

    def after_fork_in_parent(self) -> None:
        self._told.append("in parent")

    def after_fork_in_child(self) -> None:
        self._told.append("in child")


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> list[Hook]:
    registered: list[Hook] = []

    def register(*, before: Hook, after_in_parent: Hook, after_in_child: Hook) -> None:
        registered.extend((before, after_in_parent, after_in_child))

    monkeypatch.setattr(os, "register_at_fork", register)
    return registered


def test_hooks_are_called_at_a_fork(hooks: list[Hook]) -> None:
    told: list[str] = []
    item = Aware(told)
    survive_forks(item)

    for hook in hooks:
        hook()

    assert told == ["before", "in parent", "in child"]


def test_hooks_of_an_object_that_is_gone_do_nothing(hooks: list[Hook]) -> None:
    told: list[str] = []
    survive_forks(Aware(told))
    gc.collect()

    for hook in hooks:
        hook()

    assert told == []
