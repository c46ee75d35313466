"""The demonstration behind `make demo`: a host, a provider and traffic in one process, then every view of it side by side."""

from __future__ import annotations
