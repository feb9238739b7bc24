"""Free TCP ports on loopback, for programs that cannot bind port 0 and tell which one they got.

Whatever can bind port 0 itself must do that instead: between the answer here and the bind by the program, another
process can take the port.
"""

import random
import socket
from pathlib import Path

_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
_TRIES = 200


def free_port() -> int:
    """A port that nothing on 127.0.0.1 uses right now.

    It is outside the range from which the system gives ports to outgoing connections. Inside it, a client that tries to
    reach a killed program could be given that very port: it would connect to itself, or keep the program from coming back.
    """
    end = int(_RANGE_FILE.read_text().split()[0]) if _RANGE_FILE.exists() else _LOWEST
    generator = random.SystemRandom()  # Not the shared one, which property tests seed anew.
    for _ in range(_TRIES if end > _LOWEST else 0):
        port = generator.randrange(_LOWEST, end)
        if _bind(port):
            return port
    return _bind(0)


def _bind(port: int) -> int:
    """The port that could be bound, 0 when it was taken. Port 0 lets the system choose."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        bound: int = probe.getsockname()[1]
        return bound
