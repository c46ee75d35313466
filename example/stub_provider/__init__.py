"""A stand-in for LLM providers: a real HTTP server that speaks their wire formats and misbehaves on request.

Run it with `python -m example.stub_provider`, or in a test with `with StubProvider() as stub`. See README.md.
"""

from __future__ import annotations

from example.stub_provider.answers import Usage
from example.stub_provider.directives import Directive, DirectiveError, directive, parse_directive
from example.stub_provider.ledger import ReceivedRequest
from example.stub_provider.plans import Outcome
from example.stub_provider.server import StubProvider

__all__ = [
    "Directive",
    "DirectiveError",
    "Outcome",
    "ReceivedRequest",
    "StubProvider",
    "Usage",
    "directive",
    "parse_directive",
]
