"""The REST API for admins: HTTP in, JSON out. Figures are `stats`', configurations are `config`'s."""

from __future__ import annotations
