"""Where a server listens: what the environment says of it, checked before anything is loaded."""

import os
import socket
from collections.abc import MutableMapping

from dlm_core.engine.limits import number

PORTS = 65535
_ROOT = "GRADIO_ROOT_PATH"


def address(environment: MutableMapping[str, str]) -> tuple[str, int]:
    """Return the host and the port of the page; a wrong value is a ValueError of one sentence.

    HOST and PORT go before Gradio's own GRADIO_SERVER_NAME and GRADIO_SERVER_PORT.  Call this before Gradio is
    imported, which reads its port at once and ends in a traceback where that is no number: here it gets one.
    """
    gradio = number("GRADIO_SERVER_PORT", environment.get("GRADIO_SERVER_PORT"), 7860, PORTS)
    port = number("PORT", environment.get("PORT"), gradio, PORTS)
    environment["GRADIO_SERVER_PORT"] = str(port)
    host = environment.get("HOST", "").strip() or environment.get("GRADIO_SERVER_NAME", "").strip()
    # "": the page is its origin's root; the address may be a whole one
    root = environment.get(_ROOT, "").strip().rstrip("/")
    if root and not root.startswith(("/", "http://", "https://")):
        raise ValueError(f"{_ROOT} must be a path such as /unmask, or an address of the page, got {root[:80]!r}")
    environment[_ROOT] = root
    return host or ("0.0.0.0" if "SPACE_ID" in environment else "127.0.0.1"), port


def refuse_taken(host: str, port: int, names: str = "HOST and PORT") -> None:
    """Raise ValueError if nobody can listen there; `names` says what to set, the socket's own words say why."""
    try:
        kind, _, _, _, there = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(kind) as probe:
            if os.name == "posix":  # elsewhere this would let two servers share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(there)
    except (OSError, UnicodeError) as error:  # a name that is no host's cannot even be encoded
        reason = getattr(error, "strerror", None) or "no such host"
        raise ValueError(f"nobody can listen on {host[:80]}:{port} ({reason}): set {names} to others") from error
