"""The configurations that one call may use, in order: the one that was asked for and, by its policy, those after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from agentcore_metering.adapters.django.config import health
from agentcore_metering.adapters.django.config.fallback import FallbackPolicy, parse_fallback
from agentcore_metering.core.errors import ConfigError, InvalidField
from agentcore_metering.core.types import ConfigScope, ModelConfig

__all__ = ["ConfigChain", "Resolve", "find_chain"]

logger = logging.getLogger(__name__)

Resolve = Callable[[Any, Any], ModelConfig]
"""`(user_id, model_uuid) -> configuration`, as `resolver.resolve_config`."""


@dataclass(frozen=True, slots=True)
class ConfigChain:
    """At least one configuration. Without a policy it is exactly one, and the call is an ordinary one."""

    requested: ModelConfig
    """The one that the caller asked for, whether or not it is in use now."""
    configs: tuple[ModelConfig, ...] = field(repr=False)
    policy: FallbackPolicy | None = None

    @classmethod
    def only(cls, config: ModelConfig) -> ConfigChain:
        """This configuration, whatever its policy says."""
        return cls(config, (config,))


def find_chain(config: ModelConfig, user_id: Any, resolve: Resolve) -> ConfigChain:
    """The chain that begins with `config`. Asks the cache and, through `resolve`, the database where there is a policy.

    A configuration that is out of use is left out, unless all of them are: a call is never refused for that.
    """
    policy, scope = _effective_policy(config, resolve)
    backups = tuple(_backups(config, policy, scope, user_id, resolve)) if policy is not None else ()
    if policy is None or not backups:
        return ConfigChain.only(config)
    everyone = (config, *backups)
    in_use = tuple(one for one in everyone if health.is_usable(one.uuid, policy))
    return ConfigChain(config, in_use or everyone, policy)


def _effective_policy(config: ModelConfig, resolve: Resolve) -> tuple[FallbackPolicy | None, ConfigScope]:
    policy = _readable(config)
    if policy is None or not policy.inherit_global:
        return policy, config.scope
    try:
        source = resolve(None, None)
    except ConfigError:
        return None, config.scope
    inherited = _readable(source) if source.scope is ConfigScope.GLOBAL else None
    is_further = inherited is not None and inherited.inherit_global
    return (None if is_further else inherited), ConfigScope.GLOBAL


def _readable(config: ModelConfig) -> FallbackPolicy | None:
    try:
        return parse_fallback(config.fallback)
    except InvalidField as exc:
        logger.warning("The fallback policy of configuration %s is not used: %s", config.uuid, exc)
        return None


def _backups(
    config: ModelConfig, policy: FallbackPolicy, scope: ConfigScope, user_id: Any, resolve: Resolve
) -> Iterator[ModelConfig]:
    for uuid in policy.model_uuids:
        try:
            backup = resolve(user_id, uuid)
        except ConfigError as exc:
            logger.warning("Configuration %s is not used as a fallback of %s: %s", uuid, config.uuid, exc)
            continue
        # The policy's owner chose among his own; one that has changed hands since then is not his to use.
        if backup.scope is scope and backup.uuid != config.uuid:
            yield backup
