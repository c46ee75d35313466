"""Import paths that existing projects use; each module names the new home. Nothing inside the package imports them."""

from __future__ import annotations
