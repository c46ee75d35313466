"""Addresses that lead inside are told from those that lead outside, however they are spelled."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from agentcore_metering.core.addresses import UnusableAddress, is_local_name, is_public, parse_endpoint
from tests.core.hostile_addresses import HARMLESS, HOSTILE


def leads_outside(url: str) -> bool:
    try:
        endpoint = parse_endpoint(url)
    except UnusableAddress:
        return False
    return is_public(endpoint.ip) if endpoint.ip is not None else not is_local_name(endpoint.host)


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_address_does_not_lead_outside(url: str) -> None:
    assert not leads_outside(url)


@pytest.mark.parametrize("url", HARMLESS)
def test_harmless_address_leads_outside(url: str) -> None:
    assert leads_outside(url)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("HTTPS://API.Example.COM./v1", "api.example.com", 443),
        ("http://例え.jp/", "xn--r8jz45g.jp", 80),
        ("http://[2606:4700:0::1]:8080/", "2606:4700::1", 8080),
        ("http://8.8.8.8/", "8.8.8.8", 80),
        ("https://user:pw@host.example.com:444/", "host.example.com", 444),
    ],
)
def test_endpoint_is_in_one_form(url: str, host: str, port: int) -> None:
    endpoint = parse_endpoint(url)

    assert (endpoint.host, endpoint.port) == (host, port)


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("172.15.255.255", True),
        ("172.32.0.0", True),
        ("100.63.255.255", True),
        ("100.128.0.0", True),
        ("169.253.255.255", True),
        ("223.255.255.255", True),
        ("2001:4860:4860::8888", True),
        ("2001:1ff:ffff::1", False),
        ("2001:200::1", True),
        ("3fff::1", False),
        ("4000::1", False),
    ],
)
def test_public_ends_where_the_registry_says(ip: str, expected: bool) -> None:
    assert is_public(ip_address(ip)) is expected


def test_error_text_has_nothing_of_the_address() -> None:
    with pytest.raises(UnusableAddress) as caught:
        parse_endpoint("http://user:sk-secret@@host/")

    assert "sk-secret" not in str(caught.value)
