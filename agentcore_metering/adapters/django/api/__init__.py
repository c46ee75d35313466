"""The REST API, for admins and for users of their own: HTTP in, JSON out. Figures are `stats`', configurations are `config`'s."""

from __future__ import annotations
