"""LiteLLM's async clients at the end of an event loop."""

from __future__ import annotations

__all__ = ["close_clients"]


async def close_clients() -> None:
    """Close those of the running loop, whose connections LiteLLM leaves open."""
    import litellm

    await litellm.close_litellm_async_clients()
    # Older releases close the one that all loops share as well, and never make it again.
    shared = vars(litellm).get("module_level_aclient")
    if shared is not None and shared.client.is_closed:
        litellm.module_level_aclient = type(shared)()
