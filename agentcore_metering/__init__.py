"""The package's version, and nothing else: importing it is safe before Django is set up and loads no LiteLLM."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
