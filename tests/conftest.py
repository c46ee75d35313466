"""What every test may count on: no test reaches out, not even while LiteLLM is imported."""

from __future__ import annotations

import asyncio
import os

# Otherwise LiteLLM makes the main thread's event loop at the first sync call, and nobody closes it.
asyncio.set_event_loop(None)
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
