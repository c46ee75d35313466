"""The dashboards, rules and the stack: held to the registry of names, to each other and, with servers, to what really arrives."""

from __future__ import annotations
