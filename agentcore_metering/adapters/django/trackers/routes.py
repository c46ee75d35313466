"""A chain of configurations -> the requests of one call: the first that is sent, and the plan for when it fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from agentcore_metering.adapters.django.config.chain import ConfigChain
from agentcore_metering.adapters.django.config.health import PolicyHealth
from agentcore_metering.core.arguments import CallArguments, OperationArguments
from agentcore_metering.core.errors import ConfigError
from agentcore_metering.core.fallback import FallbackPlan, bounded
from agentcore_metering.core.request import RequestPolicy, build_request
from agentcore_metering.core.types import CallRequest

__all__ = ["build_requests", "fallback_plan"]

logger = logging.getLogger(__name__)


def build_requests(
    chain: ConfigChain, arguments: CallArguments | OperationArguments, policy: RequestPolicy
) -> Sequence[CallRequest]:
    """One request for each configuration that can be used.

    Raises:
        ConfigError: the one that was asked for cannot be used, or none can.
    """
    if chain.policy is None:
        return [build_request(chain.requested, arguments, policy)]
    limits = chain.policy.timeout_seconds, chain.policy.retries
    # Whichever of them answers may be quoted anywhere, so every one keeps the secrets of all.
    secrets = tuple(secret for config in chain.configs for secret in config.secrets)
    return [bounded(request, *limits, secrets) for request in _usable(chain, arguments, policy)]


def fallback_plan(chain: ConfigChain, further: Sequence[CallRequest]) -> FallbackPlan | None:
    """What the call does when its first request fails; None where it has no policy."""
    policy = chain.policy
    if policy is None:
        return None
    return FallbackPlan(chain.requested.uuid, further, policy.conditions, PolicyHealth(policy))


def _usable(
    chain: ConfigChain, arguments: CallArguments | OperationArguments, policy: RequestPolicy
) -> Iterator[CallRequest]:
    for config in chain.configs:
        try:
            yield build_request(config, arguments, policy)
        except ConfigError as exc:
            if config is chain.configs[0]:
                raise
            logger.warning("Configuration %s is not used as a fallback: %s", config.uuid, exc)
