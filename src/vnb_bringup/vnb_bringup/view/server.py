"""The web server of the page: on this machine only."""

from __future__ import annotations

import io
import socket
from contextlib import redirect_stdout

import viser

from vnb_grasp.errors import ConfigError

HOST = "127.0.0.1"


class LocalServer(viser.ViserServer):
    """A server that nobody else can reach; also not through viser's relay, which a visitor could ask for."""

    def request_share_url(self, verbose: bool = True) -> str | None:
        """Return None: the page is never shared."""
        return None

    def stop(self) -> None:
        """Stop serving, without a word."""
        with redirect_stdout(io.StringIO()):
            super().stop()


def open_server(port: int) -> LocalServer:
    """Return a server on a port of this machine.

    Args:
        port: TCP port; 0 takes a free one.

    Raises:
        ConfigError: If the port cannot be had.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port whose last user just ended is free
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} of {HOST}: {error.strerror}; end what uses it (another ./vnb view?) or give another one "
                "with --port"
            ) from error
        port = probe.getsockname()[1]
    with redirect_stdout(io.StringIO()):  # a banner that no option turns off
        server = LocalServer(host=HOST, port=port, label="VNB", verbose=False)
    if server.get_port() != port:  # viser takes the next one if somebody was faster
        server.stop()
        raise ConfigError(f"port {port} of {HOST} was taken meanwhile; give another one with --port")
    return server
