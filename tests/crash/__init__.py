"""What is promised when things break, on the database that the suite runs on; each promise with a control that does not keep it."""

from __future__ import annotations
