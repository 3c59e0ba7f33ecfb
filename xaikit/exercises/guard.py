"""Running a student's function in our own process: a time limit, and its printed output kept, bounded."""

import contextlib
import ctypes
import io
import signal
import threading

KEPT = 2_000  # characters of output


class TimeLimit(BaseException):
    """Raised inside code that ran too long; a BaseException, so that ``except Exception`` lets it through."""


class Printed(io.TextIOBase):
    """A text stream that keeps the first `KEPT` characters and counts the rest."""

    def __init__(self):
        self.parts, self.size = [], 0

    def writable(self):
        return True

    def write(self, text):
        text = str(text)
        if self.size < KEPT:
            self.parts.append(text[: KEPT - self.size])
        self.size += len(text)
        return len(text)

    def close(self):  # a student may close sys.stdout: what was printed stays readable
        pass

    def text(self) -> str:
        """What was printed, with a note where it was cut."""
        cut = f"\n… and {self.size - KEPT} more characters" if self.size > KEPT else ""
        return "".join(self.parts) + cut


@contextlib.contextmanager
def captured():
    """``with captured() as out:`` keeps what is printed; ``out.text()`` is it."""
    out = Printed()
    with contextlib.redirect_stdout(out):
        yield out


def limited(function, seconds):
    """``function()``, or `TimeLimit` raised in it after `seconds`.

    In the main thread a signal ends it; elsewhere (and where there are no such signals) it runs in a thread
    of its own that is asked to stop, and is left behind if it does not.
    """
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        return _by_signal(function, seconds)
    return _by_thread(function, seconds)


def _by_signal(function, seconds):
    armed, late = True, False

    def stop(signum, frame):
        nonlocal late
        if armed:
            late = True
            raise TimeLimit

    previous = signal.signal(signal.SIGALRM, stop)
    remaining = signal.setitimer(
        signal.ITIMER_REAL, seconds, 0.2
    )  # again and again: a bare except may swallow one
    try:
        value = function()
        if late:  # it caught what was to end it, and came to an end later
            raise TimeLimit
        return value
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, *remaining)
        signal.signal(signal.SIGALRM, previous if previous is not None else signal.SIG_DFL)


def _by_thread(function, seconds):
    box = {}

    def work():
        try:
            box["value"] = function()
        except BaseException as error:
            box["error"] = error

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    except BaseException:
        _ask_to_stop(thread)
        raise
    if thread.is_alive():
        for _ in range(5):
            _ask_to_stop(thread)
            thread.join(0.2)
            if not thread.is_alive():
                break
        raise TimeLimit
    if "error" in box:
        raise box["error"]
    return box["value"]


def _ask_to_stop(thread):
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeLimit))
