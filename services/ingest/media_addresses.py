"""Which addresses an attachment may be fetched from: public ones, so that nobody can make this service read the inside of a network.

Called by `media` for every URL before it connects, redirects included; it then connects to the very address that was checked here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from libs.common.errors import OutageError, RefusedError

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""From a host and a port to its addresses. Raises OutageError where the name service gives none."""

_NAT64: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


class AddressRefusedError(RefusedError):
    """The host has an address that is not public."""


async def resolve_host(host: str, port: int) -> tuple[str, ...]:
    """The host's addresses, by the system's resolver. Raises OutageError where it gives none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutageError(f"the host's name cannot be resolved: {type(error).__name__}") from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(text: str) -> bool:
    """Whether it is a public unicast address; addresses that carry another one inside are judged by that one."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and any(address in network for network in _NAT64):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if int(address) >> 32 == 0:
            return False  # The old IPv4-compatible form, `::a.b.c.d`.
    return address.is_global and not address.is_multicast and not address.is_reserved


async def choose_address(host: str, port: int, resolve: Resolve) -> str:
    """The address to connect to. Raises AddressRefusedError when any of the host's addresses is not public, OutageError."""
    addresses = await resolve(host, port)
    if not addresses:
        raise OutageError("the host's name has no address")
    if not all(is_public(address) for address in addresses):
        raise AddressRefusedError
    return addresses[0]
