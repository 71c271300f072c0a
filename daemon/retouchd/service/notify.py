"""
Word to the service manager: `sd_notify`, a datagram to the socket it named, nothing where it named none.

The protocol is systemd's, see sd_notify(3); a library for six lines would be more to trust than to save.
"""

import os
import socket

from retouchd.job.naming import shown


def notify(*lines: str) -> None:
    """
    Send assignments such as `READY=1` or `STATUS=…`; a manager that does not listen is no fault.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.setblocking(False)  # A word is lost rather than waited for.
            manager.connect(address)
            manager.sendall("\n".join(map(shown, lines)).encode())
    except OSError:
        return


def watchdog_seconds() -> float | None:
    """
    Return how often at least the manager's watchdog wants to hear `WATCHDOG=1`, None if there is none.
    """
    is_ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    wanted = os.environ.get("WATCHDOG_USEC", "")
    return int(wanted) / 1_000_000 if is_ours and wanted.isdecimal() and int(wanted) else None
