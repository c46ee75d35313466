"""Owns what an endpoint's address means: its host in one form, and whether an IP address is a public one. Pure; asks no DNS.

Clients, resolvers and system libraries read odd spellings differently (`0x7f.1`, `127.0.0.1.`, full-width digits), so an address that has
two readings is refused rather than read. Which hosts are allowed in spite of it is left to the adapter.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from agentcore_metering.core.texts import Text

__all__ = ["Endpoint", "IPAddress", "UnusableAddress", "is_local_name", "is_public", "parse_endpoint"]

IPAddress = IPv4Address | IPv6Address

MAX_HOST_LENGTH = 253

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNREADABLE = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_PORT = re.compile(r"\A(?::[0-9]*)?\Z")
_NUMBER = re.compile(r"\A(?:0x[0-9a-f]*|[0-9]+)\Z")
_LABEL = re.compile(r"\A[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")

# RFC 6890 and its registry at IANA, and the address at which Azure's hosts serve their virtual machines.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Teredo, ORCHID and benchmarking; documentation; 6to4, which carries any IPv4 address.
_NOT_PUBLIC_V6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_NAT64 = IPv6Network("64:ff9b::/96")

_LOCAL_SUFFIXES = (
    ".cluster.local",
    ".consul",
    ".corp",
    ".home",
    ".home.arpa",
    ".internal",
    ".intranet",
    ".lan",
    ".local",
    ".localdomain",
    ".localhost",
    ".private",
    ".svc",
)


class UnusableAddress(ValueError):
    """An address that is none, or that has more than one reading; its text completes the sentence "the address ..."."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an address leads."""

    scheme: str
    host: str
    """In lower case ASCII, without a dot at its end; an IP address in its canonical form, without brackets."""
    port: int
    ip: IPAddress | None
    """None for a name."""


@lru_cache(maxsize=1024)
def parse_endpoint(url: str) -> Endpoint:
    """The endpoint that `url` names.

    Raises:
        UnusableAddress: it is no http(s) address, or one that different programs would read differently.
    """
    if _UNREADABLE.search(url):
        raise UnusableAddress(Text("has a space, a control character or a backslash in it"))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnusableAddress(Text("is none")) from None
    scheme = parts.scheme
    if scheme not in _DEFAULT_PORTS:
        raise UnusableAddress(Text("does not begin with http:// or https://"))
    if port == 0:
        raise UnusableAddress(Text("has port 0"))
    host, ip = _host(parts)
    return Endpoint(scheme, host, port or _DEFAULT_PORTS[scheme], ip)


def is_public(ip: IPAddress) -> bool:
    """Whether `ip` is a unicast address of the public Internet; IPv4 inside IPv6 is not, except by NAT64, where IPv4 is what counts."""
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_V4)
    if ip in _NAT64:
        return is_public(IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _NOT_PUBLIC_V6)


def is_local_name(host: str) -> bool:
    """Whether a name means nothing on the public Internet: a single word, or one below a domain that is kept for private use."""
    return "." not in host or host.endswith(_LOCAL_SUFFIXES)


def _host(parts: SplitResult) -> tuple[str, IPAddress | None]:
    userinfo, _, location = parts.netloc.rpartition("@")
    if "@" in userinfo:
        raise UnusableAddress(Text("has more than one @ before its path"))
    if location.startswith("["):
        return _ip6(location)
    host = unicodedata.normalize("NFKC", parts.hostname or "").replace("\u3002", ".").lower().rstrip(".")
    if not host:
        raise UnusableAddress(Text("names no host"))
    if not host.isascii():
        host = _idna(host)
    if _NUMBER.match(host.rpartition(".")[2]):
        return _ip4(host)
    if len(host) > MAX_HOST_LENGTH or not all(_LABEL.match(label) for label in host.split(".")):
        raise UnusableAddress(Text("has a host that is no name"))
    return host, None


def _ip6(location: str) -> tuple[str, IPAddress]:
    text, _, rest = location[1:].partition("]")
    if not _PORT.match(rest):
        raise UnusableAddress(Text("has something between its host in brackets and its path"))
    try:
        ip = IPv6Address(text)
    except ValueError:
        raise UnusableAddress(Text("has a host in brackets that is no IPv6 address")) from None
    if ip.scope_id is not None:
        raise UnusableAddress(Text("names a network interface"))
    return str(ip), ip


def _ip4(host: str) -> tuple[str, IPAddress]:
    # inet_aton takes 1 to 4 parts, each decimal, octal or hexadecimal: 2130706433 and 0x7f.1 are 127.0.0.1.
    try:
        ip = ip_address(host)
    except ValueError:
        raise UnusableAddress(Text("has a number for a host; write an IPv4 address as four decimal numbers")) from None
    return str(ip), ip


def _idna(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise UnusableAddress(Text("has a host that is no name")) from None
