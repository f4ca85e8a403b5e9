"""Who is calling through proxies: the address of a client, as far as it can be believed."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from streamer.settings import Network

FORWARDED_FOR: Final = "x-forwarded-for"
IPV6_PREFIX: Final = 64
"""What one subscriber has of IPv6 addresses, at least (RFC 6177)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """Believes X-Forwarded-For as far as trusted proxies wrote it: from the right, until somebody else's entry."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = trusted

    def client(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> str:
        """The address of whoever made the call; "" where the server does not tell its peer."""
        peer = scope.get("client")
        address = _address(peer[0]) if peer else None
        if address is None:
            return str(peer[0]) if peer else ""
        hops = headers.get(FORWARDED_FOR, "").split(",") if self._trusted else []
        while hops and self._is_trusted(address):
            said = _address(hops.pop().strip())
            if said is None:  # no address: whoever is in front of it is as far as can be told
                break
            address = said
        return str(address)

    def _is_trusted(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)


DIRECT: Final = Proxies(())
"""Nobody's word is taken for anything."""


def bucket_key(address: str) -> str:
    """What a limit per address goes by."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found), IPV6_PREFIX), strict=False))
    return address


def _address(text: str) -> Address | None:
    """An address, with a port or without, as proxies write it; IPv4 inside IPv6 is IPv4."""
    host = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
