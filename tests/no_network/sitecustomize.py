"""On PYTHONPATH this refuses every connection that leaves the machine, in this process and in those it starts."""
import socket

_connect, _resolve = socket.socket.connect, socket.getaddrinfo
_HERE = ("127.", "localhost", "::1", "0.0.0.0")


def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(_HERE):
        raise OSError(101, f"the network is cut off: {address}")
    return _connect(self, address)


def getaddrinfo(host, *args, **kwargs):
    if host and not str(host).startswith(_HERE):
        raise socket.gaierror(-2, f"the network is cut off: {host}")
    return _resolve(host, *args, **kwargs)


socket.socket.connect, socket.getaddrinfo = connect, getaddrinfo
