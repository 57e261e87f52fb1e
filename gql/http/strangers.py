"""Connections that have shown no token that holds. They share a small pool, of which one address has a part: whoever
comes when it is full takes the place of the oldest stranger of the address that has most. A caller with a token is a
stranger, too, until its headers are read, so nobody is refused for coming last. Connections of trusted proxies count
under the address that the proxy forwards, and only as sockets: of a request the proxy has read the headers first."""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.requests import HTTPConnection

PLACES = 300
"""Strangers of a process."""
PLACES_OF_ADDRESS = 150
"""Strangers of one address; of IPv6, of one network of 64 bits, which is what a customer of a provider is given."""


@dataclass(eq=False, slots=True)
class Stranger:
    """One connection; `dismiss` ends it. `forwarded` is one of a trusted proxy."""

    pool: "Strangers"
    dismiss: Callable[[], None]
    forwarded: bool = False
    group: str | None = None
    """Where it is counted; None where it is not, or not any more."""
    known: bool = False

    def enter(self, host: str) -> None:
        """Count it under the address, unless it is counted or has shown a token."""
        if self.group is None and not self.known:
            self.pool.add(self, find_group(host))

    def leave(self) -> None:
        """It is gone, and its place is free."""
        self.pool.remove(self)

    def recognise(self) -> None:
        """It has shown a token that holds, and is never a stranger again."""
        self.known = True
        self.pool.remove(self)


@dataclass(slots=True)
class Strangers:
    """Those of one process, by address; of each address, and of the addresses, the oldest come first."""

    proxies: Sequence[str] = ()
    places: int = PLACES
    places_of_address: int = PLACES_OF_ADDRESS
    count: int = 0
    _groups: dict[str, dict[Stranger, None]] = field(default_factory=dict)
    _networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = field(init=False)

    def __post_init__(self) -> None:
        self._networks = [ipaddress.ip_network(proxy) for proxy in self.proxies]

    def meet(self, host: str, dismiss: Callable[[], None]) -> Stranger:
        """A new connection."""
        stranger = Stranger(self, dismiss, self._is_proxy(host))
        if not stranger.forwarded:
            stranger.enter(host)
        return stranger

    def add(self, stranger: Stranger, group: str) -> None:
        """Give it a place, which another may have to leave for it."""
        own = self._groups.setdefault(group, {})
        own[stranger] = None
        stranger.group = group
        self.count += 1
        if len(own) > self.places_of_address:
            self._dismiss_oldest(own)
        elif self.count > self.places:
            self._dismiss_oldest(max(self._groups.values(), key=len))

    def remove(self, stranger: Stranger) -> None:
        """Its place is free."""
        if stranger.group is None:
            return
        own = self._groups[stranger.group]
        del own[stranger]
        if not own:
            del self._groups[stranger.group]
        stranger.group = None
        self.count -= 1

    def _dismiss_oldest(self, group: dict[Stranger, None]) -> None:
        oldest = next(iter(group))
        self.remove(oldest)
        oldest.dismiss()

    def _is_proxy(self, host: str) -> bool:
        if not self._networks or not host:
            return False
        address = ipaddress.ip_address(host)
        return any(address in network for network in self._networks)


@lru_cache(maxsize=4096)
def find_group(host: str) -> str:
    """What counts as one address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # What a proxy forwards may be anything.
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def find_host(connection: HTTPConnection) -> str:
    """The address of the client, as a trusted proxy forwards it where there is one."""
    return connection.client.host if connection.client is not None else ""


def find_stranger(connection: HTTPConnection) -> Stranger | None:
    """The connection that the request came over; None where it came over none, as within a test."""
    found: Stranger | None = connection.scope.get("state", {}).get("stranger")
    return found
