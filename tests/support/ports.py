"""Free TCP ports on loopback, for programs that cannot bind port 0 and tell which one they got.

Whatever can bind port 0 itself must do that instead: between the answer here and the bind by the program, another
process can take the port.
"""

import socket


def free_port() -> int:
    """A port that nothing on 127.0.0.1 listens on right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
