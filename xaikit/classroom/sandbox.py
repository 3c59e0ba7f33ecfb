"""A place to run a student's code, seen from the grader: start a child, ask it things, be told how it
ended.

On Linux children are forked from a server that has everything imported (about a tenth of a second each);
elsewhere each is a new interpreter with fewer barriers.  `Server.barriers` says, in words, what held for
the last child.
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from . import barriers
from .wire import Channel, Closed, Garbage, TooLate

LIMITS = {
    "wall": 300.0,  # seconds a child may live
    "cpu": 300,  # seconds of processor time
    "memory": 2 << 30,  # bytes beyond what the imported libraries map
    "file": 64 << 20,  # bytes in one file
    "disk": 64 << 20,  # bytes in the working folder
    "processes": 32,
}
ORACLE_REQUESTS = 10_000  # in one observation
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # where one submission could leave something for another
_START_UP = 180.0


class Ended(RuntimeError):
    """The child is no more, or of no more use; the message says why in words for a report."""


class Server:
    """A source of children.  Use as a context manager; safe to use from several threads.

    hidden: folders a child must not see; kept: folders inside them that it needs (libraries); limits: see
    `LIMITS`; fork: True, False, or None for what the system can do.
    """

    def __init__(self, hidden=(), kept=(), limits=None, fork=None):
        self.limits = {**LIMITS, **(limits or {})}
        self.fork = sys.platform == "linux" if fork is None else fork
        self.barriers = []
        self._hidden, self._kept = places(hidden, kept)
        self._lock = threading.Lock()
        self._process = self._control = None

    def __enter__(self):
        self._home = tempfile.mkdtemp(prefix="xaikit-grade-")
        os.chmod(self._home, 0o755)
        try:
            if self.fork:
                self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._control is not None:
            self._control.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    def _start(self):
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = _python("serve", theirs, self._home, self._home)
        theirs.close()
        self._control.settimeout(_START_UP)
        try:
            ready = self._control.recv(1 << 16)
        except OSError:
            ready = b""
        if not ready:
            self._process.kill()
            said = Path(self._home, "errors").read_text(errors="replace").strip().splitlines()
            raise RuntimeError(
                "the grading server did not start: " + (said[-1] if said else "it said nothing")
            )

    def child(self):
        """A fresh child, ready.  Raises Ended if it does not come up."""
        work = tempfile.mkdtemp(dir=self._home)
        os.chmod(work, 0o777)
        job = {"work": work, "hidden": self._hidden, "kept": self._kept, "limits": self.limits}
        ours, theirs = socket.socketpair()
        status = process = None
        if self.fork:
            status, report = socket.socketpair()
            with self._lock:
                try:
                    socket.send_fds(
                        self._control, [json.dumps(job).encode()], [theirs.fileno(), report.fileno()]
                    )
                except OSError:  # the server itself is gone: begin another
                    self._control.close()
                    self._process.kill()
                    self._process.wait()
                    self._start()
                    socket.send_fds(
                        self._control, [json.dumps(job).encode()], [theirs.fileno(), report.fileno()]
                    )
            report.close()
        else:
            process = _python("once", theirs, work, self._home)
        theirs.close()
        child = Child(Channel(ours), status, process, work)
        try:
            if process is not None:
                child.channel.send(job)
            meta, _ = child.channel.receive(time.monotonic() + _START_UP)
        except (Closed, TooLate, Garbage) as error:
            raise Ended(f"the child did not start: {error}; {child.close()}") from None
        self.barriers = meta.get("barriers", [])
        return child


class Child:
    """One running child.  Every request has a time limit; after Ended the child is gone."""

    def __init__(self, channel, status, process, work):
        self.channel, self._status, self._process, self._work = channel, status, process, work
        self._numbers = itertools.count(1)
        self.closed = False

    def run(self, code, seconds):
        """Run a cell.  Returns "" or the error it raised, in words.  Raises Ended."""
        meta, _ = self._request({"op": "run", "code": code}, {}, seconds)
        error = meta.get("error")
        return error[:500] if isinstance(error, str) else ""

    def observe(self, exercise_id, expression, payload, seconds, oracle=None):
        """What an answer does in a case: a flat dict of plain values, to be judged.  Raises Ended."""
        request = {"op": "observe", "id": exercise_id, "expression": expression}
        return self._request(request, payload, seconds, oracle)[1]

    def _request(self, meta, data, seconds, oracle=None):
        number = next(self._numbers)
        deadline = time.monotonic() + seconds
        try:
            self.channel.send({**meta, "n": number}, data, deadline)
            for _ in range(ORACLE_REQUESTS):
                reply, values = self.channel.receive(deadline)
                if reply.get("n") != number:
                    raise Garbage("an answer to a question that was not asked")
                if not reply.get("oracle"):
                    return reply, values
                if oracle is None:
                    raise Garbage("a question where there is nothing to ask")
                self.channel.send({}, oracle.answer(values), deadline)
            raise Garbage(f"more than {ORACLE_REQUESTS} questions")
        except TooLate:
            self.close()
            raise Ended(f"took longer than {seconds:g} s") from None
        except Closed:
            raise Ended(self.close()) from None
        except Garbage as error:
            self.close()
            raise Ended(f"sent something unreadable: {error}") from None

    def close(self):
        """Kill the child with all its descendants; returns how it ended, in words."""
        if self.closed:
            return "ended"
        self.closed = True
        self.channel.close()
        end = self._end_of_process() if self._process is not None else self._end_of_fork()
        shutil.rmtree(self._work, ignore_errors=True)
        return _ending(end)

    def _end_of_fork(self):
        self._status.settimeout(0.3)  # one that is dying tells how; one that lives is killed by what follows
        for _ in range(2):
            try:
                report = self._status.recv(4096)
                self._status.close()
                return json.loads(report) if report else {}
            except TimeoutError:
                self._status.settimeout(10)
                with contextlib.suppress(OSError):
                    self._status.send(b"kill")
            except (OSError, ValueError):
                break
        self._status.close()
        return {}

    def _end_of_process(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.3)
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        code = self._process.wait()
        return {"signal": -code} if code < 0 else {"code": code}


def places(hidden, kept):
    """(hidden, kept) as lists of folders: home and temporary folder are hidden too, and what Python needs
    is kept."""
    secret = {Path(p).resolve() for p in (*hidden, Path.home(), tempfile.gettempdir(), *SHARED)} - {Path("/")}
    package = Path(__file__).resolve().parents[1]
    wanted = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix, package, *kept)}
    # not all of sys.path: an editable installation puts the whole project on it, solutions included
    wanted |= {Path(p).resolve() for p in sys.path if Path(p).name in ("site-packages", "dist-packages")}
    by_depth = lambda paths: [str(p) for p in sorted(paths, key=lambda p: (len(p.parts), p))]  # noqa: E731
    return by_depth(secret), by_depth(wanted)


def _python(way, sock, folder, home):
    environment = barriers.environment(folder) | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-m", "xaikit.classroom.child", way]
    errors = open(Path(home, "errors"), "wb")  # noqa: SIM115  (the process keeps it)
    options = {"env": environment, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": errors}
    if os.name == "nt":
        process = subprocess.Popen([*command, "share"], stdin=subprocess.PIPE, **options)
        process.stdin.write(sock.share(process.pid))
        process.stdin.close()
        return process
    sock.set_inheritable(True)
    return subprocess.Popen(
        [*command, str(sock.fileno())],
        stdin=subprocess.DEVNULL,
        pass_fds=[sock.fileno()],
        start_new_session=True,
        **options,
    )


def _ending(end):
    if "signal" in end:
        if _signal_name(end["signal"]) == "SIGXCPU":
            return "used up its processor time"
        return f"was ended by signal {end['signal']} ({_signal_name(end['signal'])})"
    if "code" in end:
        return f"ended the process (exit code {end['code']})"
    return "ended the process"


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
