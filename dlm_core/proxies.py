"""Proxies in the environment: what is on this machine is never reached through one.

httpx, and so Gradio and the hub's client, take http_proxy, https_proxy and all_proxy for every address that no_proxy
does not name, the loopback too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

LOOPBACK = ("localhost", "127.0.0.1", "::1")
EVERYWHERE = ("*",)
_NAMES = ("no_proxy", "NO_PROXY")  # the first one counts where both are set


@contextmanager
def without_proxy(hosts: tuple[str, ...]) -> Iterator[None]:
    """Ask `hosts` directly while this lasts, whatever proxies the environment names."""
    before = {name: os.environ.get(name) for name in _NAMES}
    spared = ",".join(filter(None, (before["no_proxy"] or before["NO_PROXY"], *hosts)))
    os.environ.update(dict.fromkeys(_NAMES, spared))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's loopback."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
