"""The process that runs a student's code.  It judges nothing, knows no seed, and holds nothing worth
taking.

``python -m xaikit.classroom.child serve FD`` is the fork server: it imports everything once, computes
nothing, and forks a child for every request on the socket FD.  ``… once FD`` is a single child, for
systems where a fork is not to be had.
"""

import json
import os
import select
import signal
import socket
import sys
import types
import warnings

from . import barriers
from .wire import Channel, Closed, Garbage

WARM = """
    encodings.idna bdb pdb doctest statistics fractions decimal numpy scipy.special scipy.ndimage
    pandas PIL.Image matplotlib.pyplot torch torch.nn.functional IPython.display ipywidgets sklearn
    skimage tqdm.auto xaikit.exercises xaikit.attribution xaikit.data xaikit.zoo xaikit.hooks
    xaikit.plot xaikit.widgets xaikit.evaluate xaikit.demos xaikit.train xaikit.claims
""".split()


def warm():
    """Import what notebooks import, and make the shell they run in.  What cannot be imported is left to
    the notebook."""
    import importlib

    warnings.simplefilter("ignore")
    os.environ.setdefault("MPLBACKEND", "agg")
    for name in WARM:
        try:
            importlib.import_module(name)
        except Exception:
            continue
    _silence_checks()
    return _shell()


def _silence_checks():
    """A check inside a notebook is the student's feedback; here it would only cost time."""
    import xaikit.exercises
    import xaikit.exercises.feedback as feedback

    def check(*_, **__):
        return types.SimpleNamespace(passed=False, score=0.0, max_score=0.0, message="", hint="", id="")

    xaikit.exercises.check = feedback.check = check
    xaikit.exercises.catalog()  # imports every lecture's exercises


def _shell():
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.ast_node_interactivity = "none"
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    for name in ("showtraceback", "showsyntaxerror", "showindentationerror"):
        setattr(shell, name, lambda *_, **__: None)
    return shell


# ------------------------------------------------------------------------------------------ one child
def converse(channel, shell):
    """Run cells and observe answers as the grader asks, until it hangs up."""
    while True:
        meta, data = channel.receive()
        reply, values = {"n": meta["n"]}, {}
        if meta["op"] == "run":
            reply["error"] = _run(shell, meta["code"])
        else:
            values = _observe(channel, shell, meta, data)
        try:
            channel.send(reply, values)
        except Garbage as error:
            channel.send(reply, {"kind": "died", "message": f"the answer cannot be sent: {error}"})


def _run(shell, code):
    try:
        result = shell.run_cell(code, store_history=False)
        error = result.error_before_exec or result.error_in_exec
    except (Exception, SystemExit, KeyboardInterrupt) as raised:  # what the shell itself cannot take
        error = raised
    return "" if error is None else _words(error)


def _words(error):
    try:
        if isinstance(error, SyntaxError):
            where = f" (line {error.lineno})" if error.lineno else ""
            return f"{type(error).__name__}: {error.msg}{where}"[:500]
        return f"{type(error).__name__}: {error}"[:500].removesuffix(": ")
    except Exception:
        return type(error).__name__


def _observe(channel, shell, meta, data):
    from xaikit.exercises import Case, get

    def ask(request):
        channel.send({"n": meta["n"], "oracle": True}, request)
        return channel.receive()[1]

    try:
        answer = eval(meta["expression"], shell.user_ns)
    except NameError:
        return {"kind": "missing"}
    except Exception as error:
        return {"kind": "died", "message": _words(error)}
    case = Case.from_payload(data, ask) if data.get("oracle") else Case.from_payload(data)
    try:
        return get(meta["id"]).observe(answer, case)
    except (SystemExit, KeyboardInterrupt) as error:
        return {"kind": "died", "message": f"it called exit ({_words(error)})"}


def live(sock, shell, job, slot, space):
    """A child's whole life behind its barriers; never returns."""
    code = 1
    try:
        held = barriers.enclose(job["work"], job["hidden"], job["kept"], job["limits"], slot, space)
        _close_all_but(sock.fileno())
        channel = Channel(sock)
        channel.send({"ready": True, "barriers": held})
        converse(channel, shell)
    except (Closed, BrokenPipeError):
        code = 0
    finally:
        os._exit(code)


def _close_all_but(kept):
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(3, kept)
    os.closerange(kept + 1, 4096)


# ------------------------------------------------------------------------------------------ the fork server
def serve(control):
    """Fork a supervised child for every job that comes with its two sockets, until the grader hangs up."""
    shell = warm()
    tasks = len(os.listdir("/proc/self/task"))
    control.send(json.dumps({"ready": True, "threads": tasks}).encode())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    slot = 0
    while True:
        message, handles, _, _ = socket.recv_fds(control, 1 << 16, 2)
        if not message:
            os._exit(0)
        slot += 1
        if os.fork() == 0:
            try:
                control.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                supervise(json.loads(message), *handles, shell, slot)
            finally:
                os._exit(1)
        for handle in handles:
            os.close(handle)


def supervise(job, talk, status, shell, slot):
    """Stand between a child and the grader: kill it when asked, when the grader is gone or when time is
    up, then all that it left behind, and report how it ended.  The status socket is one the child never
    holds."""
    os.setsid()
    barriers.prctl(barriers.PR_SET_CHILD_SUBREAPER, 1)
    space = barriers.separate()
    barriers.prctl(barriers.PR_SET_DUMPABLE, 0)
    child = os.fork()
    if child == 0:
        os.close(status)
        os.setsid()
        live(socket.socket(fileno=talk), shell, job, slot, space)
    os.close(talk)
    handle = os.pidfd_open(child)
    ready, _, _ = select.select([handle, status], [], [], job["limits"]["wall"])
    if handle not in ready:
        os.kill(child, signal.SIGKILL)
    _, how = os.waitpid(child, 0)
    _sweep()
    report = {"signal": os.WTERMSIG(how)} if os.WIFSIGNALED(how) else {"code": os.WEXITSTATUS(how)}
    try:
        os.write(status, json.dumps(report).encode())
    except OSError:
        pass
    os._exit(0)


def _sweep():
    """Kill descendants that outlived the child: as their reaper we inherit them, one generation after
    another."""
    for _ in range(1000):
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as listing:
                left = [int(pid) for pid in listing.read().split()]
        except OSError:
            return
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except OSError:
                continue


def main():
    way, number = sys.argv[1], sys.argv[2]
    if number == "share":  # Windows hands a socket over as bytes
        sock = socket.fromshare(sys.stdin.buffer.read())
    else:
        sock = socket.socket(fileno=int(number))
    if way == "serve":
        serve(sock)
    else:
        message = Channel(sock).receive()[0]
        live(sock, warm(), message, os.getpid(), "")


if __name__ == "__main__":
    main()
