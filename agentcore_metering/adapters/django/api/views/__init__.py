"""One class for each URL: reads the request, asks `stats` or `config`, answers."""

from __future__ import annotations
