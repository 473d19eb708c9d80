"""Which addresses of the network are the public internet."""

import ipaddress
import socket

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.ip_network("64:ff9b::/96")
LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa", ".lan", ".intranet")
LOCAL_NAMES = frozenset(["localhost", "ip6-localhost", "ip6-loopback", "metadata", "instance-data"])


def is_public(address: str) -> bool:
    """Whether an IP address in its usual form is reachable on the public internet, and so not this network's own.

    False for loopback, private, link-local (with the cloud's metadata), shared, multicast and reserved ones, also when
    they hide in an IPv6 address (mapped, 6to4, Teredo, NAT64).
    """
    ip: Address = ipaddress.ip_address(address.split("%", 1)[0])
    return all(each.is_global and not each.is_multicast and not each.is_reserved for each in (ip, *_hidden_in(ip)))


def _hidden_in(ip: Address) -> list[Address]:
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    hidden: list[Address] = [found for found in (ip.ipv4_mapped, ip.sixtofour) if found is not None]
    hidden += ip.teredo or ()
    if ip in NAT64:
        hidden.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return hidden


def literal_address(host: str) -> str | None:
    """The IP address that `host` is a spelling of (127.1, 0x7f000001, 2130706433, [::1]), None for a name."""
    bare = host.strip("[]").rstrip(".")
    try:
        return str(ipaddress.ip_address(bare.split("%", 1)[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(bare)) if bare[:1].isdigit() else None
    except OSError:
        return None


def refusal(host: str) -> str | None:
    """Why `host`, as it is written, is not to be called; None when only its look-up can tell. Asks no name server."""
    name = host.rstrip(".").lower()
    literal = literal_address(name)
    if literal is not None:
        return None if is_public(literal) else f"{host} is an address of this machine or of its own network."
    if name in LOCAL_NAMES or name.endswith(LOCAL_SUFFIXES) or "." not in name:
        return f"{host} is a name of this machine or of its own network."
    return None
