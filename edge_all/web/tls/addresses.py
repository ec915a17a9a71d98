"""Addresses under which other machines reach this one."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

_SIOCGIFADDR = 0x8915
_IPV6 = Path("/proc/net/if_inet6")
_PASSING = 0x01 | 0x20
"""Flags of an IPv6 address that lasts only some hours: temporary, deprecated."""


def own_addresses() -> set[str]:
    """Return the first IPv4 address of each interface and permanent IPv6 addresses, except loopback and link-local."""
    found = {*_ipv4(), *_ipv6()}
    return {str(a) for a in found if not (a.is_loopback or a.is_link_local)}


def _ipv4() -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    found: set[ipaddress.IPv4Address | ipaddress.IPv6Address] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # the interface has no address
                answer = fcntl.ioctl(asked.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.add(ipaddress.ip_address(answer[20:24]))
    return found


def _ipv6() -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        lines = _IPV6.read_text().splitlines()
    except OSError:
        return set()
    rows = [line.split() for line in lines]
    return {ipaddress.ip_address(bytes.fromhex(row[0])) for row in rows if not int(row[4], 16) & _PASSING}
