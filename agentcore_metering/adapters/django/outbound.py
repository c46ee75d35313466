"""Owns where stored configurations may send calls: to public hosts, and to those that AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS lists.

Checked by the address alone where one is entered, and by what its name resolves to where it is called. What an address means is
`core.addresses`' to say; which keys of a configuration are addresses is said here. Not prevented: a name that resolves to a public
address here and to a private one a moment later, when the HTTP client asks (DNS rebinding); see docs/adr/0008.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from agentcore_metering.adapters.django.conf import is_debug, metering_settings
from agentcore_metering.adapters.django.setting_kinds import AllowedHost
from agentcore_metering.core.addresses import (
    Endpoint,
    IPAddress,
    UnusableAddress,
    is_local_name,
    is_public,
    parse_endpoint,
)
from agentcore_metering.core.providers import PROVIDERS
from agentcore_metering.core.texts import Text

__all__ = ["SETTING", "OutboundGuard", "addresses_in", "refusal_of", "refusal_of_text"]

logger = logging.getLogger(__name__)

SETTING = "AGENTCORE_METERING_ALLOWED_PRIVATE_HOSTS"

ADDRESS_KEYS = ("api_base", "aws_bedrock_runtime_endpoint", "aws_sts_endpoint")
CREDENTIALS_KEYS = ("vertex_credentials",)
"""Credentials that name the addresses at which they are shown."""
REGION_KEYS = ("aws_region_name", "region_name", "vertex_location")
"""Words that LiteLLM puts into the middle of a host's name."""

RESOLVED_S = 30.0
MAX_RESOLVED = 1_000

_REGION = re.compile(r"\A[A-Za-z0-9-]{1,64}\Z")
_REFERENCES = ("os.environ/", "oidc/")
"""How LiteLLM is told to take a value from the server's environment, its files or its metadata service."""

Resolver = Callable[[str, int], tuple[IPAddress, ...]]


def addresses_in(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each key of a configuration with an address that stands there, also inside of credentials."""
    for key in ADDRESS_KEYS:
        value = options.get(key)
        if value is not None and value != "":
            yield key, value if isinstance(value, str) else ""
    for key in CREDENTIALS_KEYS:
        for text in _texts(_parsed(options.get(key))):
            if "://" in text:
                yield key, text


def refusal_of(options: Mapping[str, Any]) -> tuple[str, Text] | None:
    """The first key of `options` whose value may not be saved, and why; None where all may. Asks no DNS."""
    for key, url in addresses_in(options):
        if problem := _problem(url):
            return key, problem
    wrong = _wrong_region(options)
    if wrong is None:
        return None
    return wrong, Text("%(key)s becomes a part of a host's name: letters, digits and dashes only.", {"key": wrong})


def refusal_of_text(value: Any) -> Text | None:
    """Why `value`, at any depth, may not be saved: it would have LiteLLM fetch a value of the server's own. None where it may."""
    if any(text.strip().startswith(_REFERENCES) for text in _texts(value)):
        return Text(
            "Texts that begin with os.environ/ or oidc/ are not allowed: they stand for values of the server; enter the value itself."
        )
    return None


def _problem(url: str) -> Text | None:
    try:
        endpoint = parse_endpoint(url)
    except UnusableAddress as error:
        return Text(
            "The address %(problem)s; it must be one such as https://api.example.com/v1.", {"problem": error.text}
        )
    allowed = _allowed()
    if _is_listed(endpoint, allowed):
        return None
    if endpoint.ip is not None:
        return (
            None if is_public(endpoint.ip) or _has_network(endpoint.ip, endpoint.port, allowed) else _private(endpoint)
        )
    if not is_local_name(endpoint.host) or any(entry.network for entry in allowed):
        # With networks listed, what a local name resolves to decides when it is called.
        return None
    return _private(endpoint)


def _wrong_region(options: Mapping[str, Any]) -> str | None:
    """The first key of a region whose value is none; an empty one is left out of the host's name."""
    for key in REGION_KEYS:
        region = options.get(key)
        if region is not None and not (isinstance(region, str) and (not region or _REGION.match(region))):
            return key
    return None


def _private(endpoint: Endpoint) -> Text:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return Text(
        "%(host)s is not on the public Internet. If calls shall go there, the operator lists the host, or its network, in the Django "
        "setting %(setting)s.",
        {"host": host, "setting": SETTING},
    )


class OutboundGuard:
    """Says at each call whether its configuration leads to where it may. Remembers answers of DNS for 30 seconds. Safe for threads."""

    def __init__(self, resolve: Resolver | None = None, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._resolve = resolve or _resolve
        self._monotonic_s = monotonic_s
        self._resolved: dict[tuple[str, int], tuple[float, tuple[IPAddress, ...]]] = {}

    def refusal(self, options: Mapping[str, Any]) -> Text | None:
        """Why calls by a configuration of these `options` are refused, or None where they are not. May ask DNS.

        A text and no exception, whose frames would hold the secrets. No address that a name resolves to is in it.
        """
        for key, url in addresses_in(options):
            if problem := self._problem(url):
                return Text("%(key)s of this configuration is refused. %(problem)s", {"key": key, "problem": problem})
        wrong = _wrong_region(options)
        if wrong is None:
            return None
        return Text("%(key)s of this configuration is no region: letters, digits and dashes only.", {"key": wrong})

    def _problem(self, url: str) -> Text | None:
        try:
            endpoint = parse_endpoint(url)
        except UnusableAddress as error:
            return Text("The address %(problem)s; correct it.", {"problem": error.text})
        allowed = _allowed()
        if _is_listed(endpoint, allowed):
            return None
        ips = (endpoint.ip,) if endpoint.ip is not None else self._addresses_of(endpoint)
        is_fine = all(is_public(ip) or _has_network(ip, endpoint.port, allowed) for ip in ips)
        return None if is_fine else _private(endpoint)

    def _addresses_of(self, endpoint: Endpoint) -> tuple[IPAddress, ...]:
        if endpoint.host in _vendor_hosts():
            return ()
        place = endpoint.host, endpoint.port
        until_s, ips = self._resolved.get(place, (0.0, ()))
        if self._monotonic_s() >= until_s:
            # A name that cannot be resolved here cannot be called from here either, except by a proxy that resolves it.
            ips = self._resolve(*place)
            if len(self._resolved) >= MAX_RESOLVED:
                self._resolved.clear()
            self._resolved[place] = self._monotonic_s() + RESOLVED_S, ips
        return ips


def _resolve(host: str, port: int) -> tuple[IPAddress, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        logger.info("The host %s of a configuration cannot be resolved: %s", host, type(error).__name__)
        return ()
    return tuple(ip_address(str(address[0]).partition("%")[0]) for *_, address in found)


@lru_cache(maxsize=1)
def _vendor_hosts() -> frozenset[str]:
    """The hosts of the listed providers' public endpoints: known to be public, so DNS is not asked for them."""
    return frozenset(
        filter(None, (urlsplit(provider.public_api_base or "").hostname for provider in PROVIDERS.values()))
    )


_ON_THIS_MACHINE = (
    AllowedHost(name="localhost"),
    AllowedHost(network=ip_network("127.0.0.0/8")),
    AllowedHost(network=ip_network("::1/128")),
)


def _allowed() -> tuple[AllowedHost, ...]:
    listed = metering_settings.ALLOWED_PRIVATE_HOSTS
    # DEBUG means somebody's own machine, where Ollama and the like run beside the project.
    return (*listed, *_ON_THIS_MACHINE) if is_debug() else listed


def _is_listed(endpoint: Endpoint, allowed: tuple[AllowedHost, ...]) -> bool:
    return any(entry.has_name(endpoint.host, endpoint.port) for entry in allowed)


def _has_network(ip: IPAddress, port: int, allowed: tuple[AllowedHost, ...]) -> bool:
    return any(entry.has_ip(ip, port) for entry in allowed)


def _parsed(value: Any) -> Any:
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
