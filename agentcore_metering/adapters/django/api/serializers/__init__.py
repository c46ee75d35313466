"""What bodies look like: requests are checked by these, responses are described by these."""

from __future__ import annotations
