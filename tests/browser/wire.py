"""The network between a browser and a server, for tests that disturb it: it can be held, cut and mended."""

import socket
import threading
from contextlib import suppress

from visitor import free_port


class Wire:
    """Passes on what comes to `url` to a server on this machine, until it is told otherwise."""

    def __init__(self, port: int) -> None:
        self._there, self._here = port, free_port()
        self.url = f"http://127.0.0.1:{self._here}"
        self._flows = threading.Event()
        self._ends: list[socket.socket] = []
        self.release()
        self.mend()

    def hold(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._flows.clear()

    def release(self) -> None:
        """What was held passes, and all that follows."""
        self._flows.set()

    def cut(self) -> None:
        """Every connection breaks, and new ones are refused."""
        for end in (self._door, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()
        self.release()

    def mend(self) -> None:
        """New connections are taken."""
        self._door = socket.create_server(("127.0.0.1", self._here))
        threading.Thread(target=self._accept, args=(self._door,), daemon=True).start()

    def _accept(self, door: socket.socket) -> None:
        with suppress(OSError):
            while True:
                ends = (door.accept()[0], socket.create_connection(("127.0.0.1", self._there)))
                self._ends += ends
                for source, sink in (ends, ends[::-1]):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._flows.wait()
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
