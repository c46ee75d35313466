"""A host's app as existing projects have one: a foreign key to a usage row, and a migration that depends on the reference's 0018."""

from __future__ import annotations
