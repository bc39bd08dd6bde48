"""Where a request comes from, and whether that place has asked too often."""

import ipaddress
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated

from fastapi import Depends, Request

from rekindle.errors import ConfigurationError
from rekindle.http.caller import HouseDep
from rekindle.identity.limits import read_limit
from rekindle.settings import Settings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN = "unknown"


def client_of(request: Request, trusted: frozenset[str]) -> str:
    """The address a request comes from; `X-Forwarded-For` counts as far as trusted proxies wrote it."""
    address = request.client.host if request.client else UNKNOWN
    proxies = networks(trusted)
    if not proxies:
        return address
    # Each proxy adds whom it heard from at the end; what is left of the last untrusted one anybody may have written.
    hops = [hop.strip() for value in request.headers.getlist("x-forwarded-for") for hop in value.split(",")]
    while hops and _among(address, proxies):
        address = hops.pop()
    return address


def is_local(request: Request) -> bool:
    """Whether the request was made on this machine, and not passed on by a proxy on it."""
    address = _parse(request.client.host) if request.client else None
    return address is not None and address.is_loopback and "x-forwarded-for" not in request.headers


def limited(setting: str) -> Callable[..., Awaitable[None]]:
    """A dependency that counts this request against a limit of the settings; raises `TooManyRequests`."""

    async def spend(house: HouseDep, request: Request) -> None:
        limit = read_limit(getattr(house.settings, setting), f"REKINDLE_{setting.upper()}")
        await house.limits.spend(limit, setting, _counted(client_of(request, house.settings.trusted_proxies)))

    return spend


CheckInAllowed = Depends(limited("check_in_limit"))
CodeAllowed = Depends(limited("code_limit"))


LocalDep = Annotated[bool, Depends(is_local)]


@cache
def networks(texts: frozenset[str]) -> tuple[Network, ...]:
    """The networks that these addresses and networks are; raises `ConfigurationError`."""
    try:
        return tuple(ipaddress.ip_network(text, strict=False) for text in sorted(texts))
    except ValueError as error:
        raise ConfigurationError(f"REKINDLE_TRUSTED_PROXIES: {error}.") from error


def check_limits(settings: Settings) -> None:
    """Refuse limits and proxies that cannot be read, before anybody comes."""
    networks(settings.trusted_proxies)
    for setting in ("check_in_limit", "code_limit", "address_limit"):
        read_limit(getattr(settings, setting), f"REKINDLE_{setting.upper()}")


def _counted(address: str) -> str:
    parsed = _parse(address)
    if parsed is None:
        return UNKNOWN
    # One IPv6 customer has a whole /64 to come from.
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


def _among(address: str, proxies: tuple[Network, ...]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in proxy for proxy in proxies)


def _parse(text: str) -> Address | None:
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed
