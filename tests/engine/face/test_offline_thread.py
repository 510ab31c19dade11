"""The thread without a network: neither it nor its own threads get a socket, and the others still do."""

import platform
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mtclar.engine.face.offline_thread import ARCHITECTURES, OfflineThread

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ARCHITECTURES, reason="needs seccomp of Linux"
)


def open_socket() -> None:
    socket.socket().close()


def test_no_socket_in_it_nor_in_the_threads_that_it_starts() -> None:
    offline = OfflineThread()
    for family in (socket.AF_INET, socket.AF_INET6):
        with pytest.raises(PermissionError):
            offline.run(lambda family=family: socket.socket(family, socket.SOCK_DGRAM).close())
    with pytest.raises(OSError, match=r"."):
        offline.run(lambda: socket.getaddrinfo("example.invalid", 443))

    def start_another() -> None:
        with ThreadPoolExecutor(1) as others:
            others.submit(open_socket).result()

    with pytest.raises(PermissionError):
        offline.run(start_another)
    assert offline.run(threading.get_ident) != threading.get_ident()
    offline.close()
    offline.close()
    open_socket()
    with ThreadPoolExecutor(1) as others:
        others.submit(open_socket).result()


def test_errors_reach_the_caller() -> None:
    offline = OfflineThread()
    with pytest.raises(ZeroDivisionError):
        offline.run(lambda: 1 // 0)
    assert offline.run(lambda: 3) == 3
    offline.close()
