"""A TCP proxy that can make a network go silent without closing a connection, or break it off."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self


class Proxy:
    """Passes connections on to a port of 127.0.0.1; use it in a ``with`` statement."""

    def __init__(self, target: int) -> None:
        """Set the port to pass on to."""
        self.target = target
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._silent, self._refusing = threading.Event(), threading.Event()
        self._stopped = threading.Event()
        self._kept: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def blackhole(self) -> None:
        """Keep all connections and accept new ones, but pass nothing on any more: half-open TCP."""
        self._silent.set()

    def refuse(self) -> None:
        """Break all connections off and refuse new ones: the other side was killed."""
        self._refusing.set()
        self._listener.close()
        for kept in self._kept:
            with contextlib.suppress(OSError):  # its other side was quicker
                kept.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """New connections pass again; those of the silent time stay dead."""
        self._silent.clear()
        if self._refusing.is_set():
            self._listener = self._listen(self.port)
            self._refusing.clear()

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        listener.settimeout(0.1)
        return listener

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._listener.close()
        for kept in self._kept:
            kept.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                if not self._refusing.is_set():
                    raise
                time.sleep(0.01)
                continue
            self._kept.append(client)
            if not self._silent.is_set():
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), selectors.DefaultSelector() as selector:
            server = socket.create_connection(("127.0.0.1", self.target))
            self._kept.append(server)
            for one, other in ((client, server), (server, client)):
                selector.register(one, selectors.EVENT_READ, other)
            while not self._stopped.is_set():
                for key, _ in selector.select(0.1):
                    if self._silent.is_set():
                        return  # both ends stay open and never hear of each other again
                    assert isinstance(key.fileobj, socket.socket)
                    data = key.fileobj.recv(65_536)
                    if not data:
                        client.close()
                        server.close()
                        return
                    key.data.sendall(data)
        if not self._silent.is_set():
            client.close()
