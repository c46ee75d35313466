"""What every test may count on: no test reaches out, not even while LiteLLM is imported."""

from __future__ import annotations

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
