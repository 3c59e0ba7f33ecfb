"""What stands between a student's code and the machine it is graded on.  Each barrier is tried; what
holds is said.

On Linux as root all of them hold.  Without root the kernel may still grant a user namespace, which gives
the same network, process and file barriers; where it does not, limits on time, memory, processes and file
size remain.
"""

import contextlib
import ctypes
import os
import signal
import struct
import sys
from pathlib import Path

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
FIRST_UID, UIDS = 61_500, 3_000  # one of these for each child, so that children cannot reach one another


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def _call(name, *arguments):
    if getattr(_libc(), name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def mount(source, target, kind, flags, options=None):
    """mount(2).  Raises OSError."""
    _call(
        "mount",
        os.fsencode(source),
        os.fsencode(target),
        kind.encode(),
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )


def prctl(option, value):
    """prctl(2), best effort: Linux only, and nothing depends on one alone."""
    with contextlib.suppress(OSError, AttributeError):
        _call("prctl", option, value, 0, 0, 0)


def separate():
    """Give this process's future children namespaces of their own.  Returns "root", "user" or ""
    (refused)."""
    flags = NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        with contextlib.suppress(OSError, AttributeError):
            _call("unshare", flags)
            return "root"
    try:
        _call("unshare", flags | NEWUSER)
    except (OSError, AttributeError):
        return ""
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"65534 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"65534 {gid} 1")
    return "user"


def hide(hidden, kept, work, size):
    """In a mount namespace of our own: cover each folder of ``hidden`` with an empty one, show those of
    ``kept`` that lie in them again (read-only), put an empty file system of ``size`` bytes on ``work``,
    and a /proc of our own processes."""
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    kept = [Path(p) for p in kept if os.path.exists(p)]
    handles = [(os.open(p, os.O_PATH), p) for p in kept if any(Path(h) in p.parents for h in hidden)]
    for folder in hidden:
        if Path(folder).is_dir():
            mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for handle, path in handles:
        if os.path.exists(path):  # inside one that was shown already
            continue
        target = path
        target.mkdir(parents=True)
        mount(f"/proc/self/fd/{handle}", target, "none", MS_BIND | MS_REC)
        with contextlib.suppress(OSError):
            mount("none", target, "none", MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)
    for handle, _ in handles:
        os.close(handle)
    os.makedirs(work, exist_ok=True)
    mount("tmpfs", work, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},mode=777")
    with contextlib.suppress(OSError):
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)


def drop_user(slot):
    """Become a user who owns nothing.  Returns whether that was possible (it takes root)."""
    if os.getuid() != 0:
        return False
    for uid in (FIRST_UID + slot % UIDS, 65534):
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            return True
        except OSError:
            continue
    return False


def drop_capabilities():
    """Give up what a user namespace granted; afterwards nothing can be mounted or unhidden."""
    with contextlib.suppress(OSError, AttributeError):
        header = struct.pack("Ii", 0x20080522, 0)
        _call("capset", header, struct.pack("6I", 0, 0, 0, 0, 0, 0))


def limit(seconds, memory, file_size, processes):
    """Limits on processor seconds, additional memory, size of a file (bytes) and processes.  Returns
    those that hold."""
    try:
        import resource
    except ImportError:
        return []
    held = []
    now = _virtual_size()
    wanted = [
        ("RLIMIT_CPU", seconds, "processor time"),
        ("RLIMIT_FSIZE", file_size, "file size"),
        ("RLIMIT_CORE", 0, "no core files"),
        ("RLIMIT_NPROC", processes, "processes"),
        ("RLIMIT_AS", now + memory if now else 0, "memory"),
        ("RLIMIT_NOFILE", 256, "open files"),
    ]
    for name, value, words in wanted:
        if name == "RLIMIT_AS" and not now:
            continue
        # without a user of its own, a limit on processes would count those of whoever runs the grading
        if name == "RLIMIT_NPROC" and not _own_user():
            continue
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, name), (value, value))
            held.append(words)
    return held


def _own_user():
    return FIRST_UID <= os.getuid() < FIRST_UID + UIDS or os.getuid() == 65534


def _virtual_size():
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def refuse_sockets():
    """Where there is no network namespace: make Python's sockets fail.  A courtesy, not a wall."""
    import socket

    def refuse(*_, **__):
        raise OSError("there is no network while grading")

    socket.socket.connect = socket.socket.connect_ex = socket.create_connection = refuse


def environment(work):
    """The only variables a student's code may see, with ``work`` as its home."""
    kept = ("PATH", "LANG", "LC_ALL", "XAIKIT_HOME", "SYSTEMROOT")
    return {
        **{k: os.environ[k] for k in kept if k in os.environ},
        **dict.fromkeys(("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR"), work),
        "MPLBACKEND": "agg",
        "CUDA_VISIBLE_DEVICES": "",
        **{f"{x}_NUM_THREADS": "1" for x in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")},
    }


def clean_environment(work):
    """Leave this process only those variables."""
    now = environment(work)
    os.environ.clear()
    os.environ.update(now)


def enclose(work, hidden, kept, limits, slot, space):
    """Put this process behind everything that can be had; ``space`` is what `separate` said.  Returns
    what holds."""
    held = ["empty environment", "output discarded"]
    if space:
        held += ["no network", "own processes only"]
        try:
            hide(hidden, kept, work, limits["disk"])
            held.append("solutions, submissions and home folder hidden")
        except OSError as error:
            held.append(f"files not hidden ({error.strerror or error})")
    else:
        refuse_sockets()
        held.append("sockets refused in Python only")
    os.chdir(work)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if drop_user(slot):
        held.append("user without rights")
    if space == "user":
        drop_capabilities()
    held += limit(limits["cpu"], limits["memory"], limits["file"], limits["processes"])
    if sys.platform == "linux":
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(PR_SET_DUMPABLE, 0)
    clean_environment(work)
    return held
