"""The example host on the servers that projects use, ended in the ways in which servers end."""

from __future__ import annotations
