"""What every test may count on: no test reaches out, not even while LiteLLM is imported."""

from __future__ import annotations

import asyncio
import gc
import os

# Otherwise LiteLLM makes the main thread's event loop at the first sync call, and nobody closes it.
asyncio.set_event_loop(None)
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

# CPython 3.11 does not survive a finalizer that changes a context variable while another change of one is under way, and LiteLLM's and
# HTTP clients' have such finalizers. The suite makes and drops thousands of them in one process, so the collector is to come rarely, and
# mostly where a test asks for it.
gc.set_threshold(50_000, 20, 20)
