"""A network of this machine's own, of namespaces on a bridge, that can be cut off. Needs root and iproute2.

The bridge has a namespace as well, in which no firewall of the machine (Docker's, say) looks at what it passes on.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kit.outcome import CannotBeHad

_HOSTS_FILES = Path("/etc/netns")  # what `ip netns exec` puts over /etc
_MINE = f"pl{os.getpid()}"  # names of interfaces have 15 characters at most
_NET = f"10.213.{os.getpid() % 250}"


@dataclass(frozen=True)
class Host:
    """One namespace; ``name`` is what the others know it by."""

    name: str
    namespace: str
    switch: str
    address: str
    peers: tuple[str, ...]  # addresses

    @property
    def inside(self) -> Sequence[str]:
        """What a command begins with that runs there."""
        return ("ip", "netns", "exec", self.namespace)

    def unplug(self) -> None:
        """Nothing reaches it any more, and it reaches nothing."""
        _ip("-n", self.switch, "link", "set", "dev", self.name, "down")

    def part(self) -> None:
        """It and the other hosts do not reach each other; this process and it still do."""
        for peer in self.peers:
            _ip("-n", self.namespace, "route", "add", "blackhole", f"{peer}/32")

    def heal(self) -> None:
        """As in the beginning."""
        _ip("-n", self.switch, "link", "set", "dev", self.name, "up")
        _ip("-n", self.namespace, "route", "flush", "type", "blackhole")


@contextmanager
def network(names: Sequence[str]) -> Iterator[list[Host]]:
    """Hosts that reach each other, and that this process reaches by their addresses.

    Raises:
        CannotBeHad: this is not Linux with iproute2, or we are not root, or may not do this all the same.
    """
    if shutil.which("ip") is None or os.geteuid() != 0:
        raise CannotBeHad("a network with partitions needs Linux, root and iproute2 (`ip netns`)")
    addresses = [f"{_NET}.{11 + number}" for number in range(len(names))]
    switch = f"{_MINE}s"
    known = "".join(f"{address} {name}\n" for address, name in zip(addresses, names, strict=True))
    with ExitStack() as stack:
        _ip("netns", "add", switch)
        stack.callback(_ip, "netns", "del", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        _ip("-n", switch, "link", "add", "here", "type", "veth", "peer", "name", _MINE, "netns", str(os.getpid()))
        _ip("-n", switch, "link", "set", "here", "master", "bridge", "up")
        _ip("addr", "add", f"{_NET}.1/24", "dev", _MINE)
        _ip("link", "set", _MINE, "up")
        hosts = []
        for number, (name, address) in enumerate(zip(names, addresses, strict=True)):
            namespace = f"{_MINE}h{number}"
            files = _HOSTS_FILES / namespace
            files.mkdir(parents=True)
            stack.callback(shutil.rmtree, files, ignore_errors=True)
            (files / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n{known}")
            _ip("netns", "add", namespace)
            stack.callback(_ip, "netns", "del", namespace)
            _ip("-n", switch, "link", "add", "name", name, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            _ip("-n", switch, "link", "set", "dev", name, "master", "bridge", "up")
            _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
            for interface in ("lo", "eth0"):
                _ip("-n", namespace, "link", "set", interface, "up")
            hosts.append(Host(name, namespace, switch, address, tuple(peer for peer in addresses if peer != address)))
        yield hosts


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotBeHad(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}")
