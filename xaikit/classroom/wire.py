"""Plain values over a socket between a grader and the process that runs a student's code.

A message is a small JSON object (``meta``) and a flat ``dict[str, None | bool | int | float | str |
array]`` (``data``). On the wire: two big-endian 4-byte lengths, a JSON header, then the bytes of the
arrays in the header's order.  Nothing is ever unpickled; the receiver checks every length, type and shape
before it makes an array.
"""

import json
import math
import struct
import time

import numpy as np

MAX_HEADER = 1 << 20
MAX_BODY = 64 << 20
MAX_TEXT = 20_000
MAX_ITEMS = 2_000
DTYPES = frozenset(
    f"{order}{kind}"
    for order, kind in [
        ("<", "f2"),
        ("<", "f4"),
        ("<", "f8"),
        ("<", "i2"),
        ("<", "i4"),
        ("<", "i8"),
        ("<", "u2"),
        ("<", "u4"),
        ("<", "u8"),
        ("|", "i1"),
        ("|", "u1"),
        ("|", "b1"),
    ]
)
_LENGTHS = struct.Struct(">II")


class Closed(ConnectionError):
    """The other side is gone."""


class TooLate(TimeoutError):
    """The other side did not answer in time."""


class Garbage(ValueError):
    """What came is no message of ours: too large, of a type that is not allowed, or not readable."""


def encode(meta, data=None):
    """The bytes of a message.  Raises Garbage for a value that may not be sent, naming its key."""
    plain, arrays, parts = {}, [], []
    for key, value in (data or {}).items():
        if hasattr(value, "detach"):  # a tensor, by its methods: torch itself need not be here
            value = value.detach().cpu()
            value = (value.float() if "bfloat16" in str(value.dtype) else value).numpy()
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, np.ndarray):
            kind = value.dtype.newbyteorder("<").str
            if kind not in DTYPES:
                raise Garbage(f"{key}: an array of type {value.dtype} cannot be sent")
            arrays.append([key, kind, list(value.shape)])
            parts.append(np.ascontiguousarray(value, dtype=kind).tobytes())
        elif value is None or isinstance(value, bool | int | float):
            plain[key] = value
        elif isinstance(value, str):
            plain[key] = value[:MAX_TEXT]
        else:
            raise Garbage(f"{key}: a {type(value).__name__} cannot be sent")
    header = json.dumps({"meta": meta, "plain": plain, "arrays": arrays}).encode()
    body = b"".join(parts)
    if len(header) > MAX_HEADER or len(body) > MAX_BODY:
        raise Garbage(
            f"a message of {(len(header) + len(body)) >> 20} MiB is too large ({MAX_BODY >> 20} MiB at most)"
        )
    return _LENGTHS.pack(len(header), len(body)) + header + body


def decode(header, body):
    """(meta, data) of a message whose two parts are given as bytes.  Raises Garbage for anything
    unexpected."""
    try:
        top = json.loads(header)
        meta, plain, arrays = top["meta"], top["plain"], top["arrays"]
        if not (isinstance(meta, dict) and isinstance(plain, dict) and isinstance(arrays, list)):
            raise Garbage("a message of an unknown form")
        if len(plain) + len(arrays) > MAX_ITEMS:
            raise Garbage(f"more than {MAX_ITEMS} values in one message")
        data, at = {}, 0
        for key, value in plain.items():
            if not (value is None or isinstance(value, bool | int | float | str)):
                raise Garbage(f"{key[:80]!r} is a {type(value).__name__}")
            data[key] = value[:MAX_TEXT] if isinstance(value, str) else value
        for key, kind, shape in arrays:
            if (
                not isinstance(key, str)
                or kind not in DTYPES
                or not isinstance(shape, list)
                or len(shape) > 8
            ):
                raise Garbage("an array of an unknown form")
            if not all(type(n) is int and 0 <= n <= MAX_BODY for n in shape):
                raise Garbage("an array of an impossible shape")
            size = math.prod(shape) * np.dtype(kind).itemsize
            if size > len(body) - at:
                raise Garbage("an array larger than its message")
            # a copy: aligned, writable, and independent of the message
            data[key] = np.frombuffer(body, kind, math.prod(shape), at).reshape(shape).copy()
            at += size
        if at != len(body):
            raise Garbage("bytes that belong to no array")
        return meta, data
    except Garbage:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, MemoryError, AttributeError) as error:
        raise Garbage(f"an unreadable message ({type(error).__name__})") from None


class Channel:
    """One end of a stream socket that carries messages.  ``deadline`` is a time of ``time.monotonic`` or
    None."""

    def __init__(self, sock):
        self._sock = sock

    def send(self, meta, data=None, deadline=None):
        """Send one message.  Raises Closed, TooLate, or Garbage if it may not be sent (nothing is sent
        then)."""
        message = encode(meta, data)
        try:
            self._wait(deadline)
            self._sock.sendall(message)
        except TimeoutError:
            raise TooLate("the other side does not read") from None
        except OSError as error:
            raise Closed(str(error)) from None

    def receive(self, deadline=None):
        """The next message as (meta, data).  Raises Closed, TooLate or Garbage."""
        header, body = _LENGTHS.unpack(self._exactly(_LENGTHS.size, deadline))
        if header > MAX_HEADER or body > MAX_BODY:
            raise Garbage(
                f"a message said to be of {(header + body) >> 20} MiB ({MAX_BODY >> 20} MiB at most)"
            )
        return decode(bytes(self._exactly(header, deadline)), bytes(self._exactly(body, deadline)))

    def _exactly(self, count, deadline):
        got = bytearray()
        while len(got) < count:
            try:
                self._wait(deadline)
                piece = self._sock.recv(min(count - len(got), 1 << 20))
            except TimeoutError:
                raise TooLate("no answer in time") from None
            except OSError as error:
                raise Closed(str(error)) from None
            if not piece:
                raise Closed("the other side is gone")
            got += piece
        return got

    def _wait(self, deadline):
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def close(self):
        self._sock.close()
