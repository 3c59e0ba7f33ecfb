"""``xaikit doctor``: a line per thing the course needs, OK or FAIL, with the fix."""
import importlib.metadata
import os
import shutil
import sys
from collections import namedtuple
from pathlib import Path

Line = namedtuple("Line", "ok what found fix")
MEMORY_GIB, DISK_GIB = 2, 1
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "firefox", "safari", "msedge")


def main(root):
    """Print the lines; returns 0 when every needed thing is there, else 1."""
    lines = []
    for line in examine(root):
        lines.append(line)
        print(f"{'OK  ' if line.ok else 'FAIL'}  {line.what:<22} {line.found}" + ("" if line.ok else f"\n      fix: {line.fix}"),
              flush=True)
    bad = sum(not line.ok for line in lines)
    print("\nThis machine is ready." if not bad else f"\n{bad} to mend.")
    return int(bad > 0)


def examine(root):
    """Yield a Line per thing needed.  ``root`` is the course's folder."""
    root = Path(root)
    yield Line(sys.version_info >= (3, 11), "Python", sys.version.split()[0], "install Python 3.11 or newer, then `make lab`")
    yield from packages(root)
    yield memory()
    free = shutil.disk_usage(root).free / 2**30
    yield Line(free >= DISK_GIB, "free disk", f"{free:.1f} GiB", f"free {DISK_GIB} GiB")
    yield from weights()
    yield kernel()
    yield from downloads()
    yield browser()


def packages(root):
    """The package's own requirements, each with the version that is installed here and the locked one."""
    from packaging.requirements import Requirement

    locked = {}
    for text in (root / "requirements.lock").read_text().splitlines() if (root / "requirements.lock").exists() else ():
        if "==" in text and not text.startswith((" ", "#")):
            requirement = Requirement(text.rstrip(" \\"))
            if requirement.marker is None or requirement.marker.evaluate():
                locked[requirement.name] = str(requirement.specifier)[2:]
    for text in importlib.metadata.requires("xaikit") or ():
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name, wanted = requirement.name, locked.get(requirement.name)
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Line(False, name, "not installed", "`make lab` installs it")
            continue
        exact = f"   (the course was tested with {wanted})" if wanted and wanted != version else ""
        yield Line(requirement.specifier.contains(version, prereleases=True), name, version + exact,
                   f"version {requirement.specifier} is needed: `make lab` installs it")


def memory():
    import psutil

    free = psutil.virtual_memory().available / 2**30
    return Line(free >= MEMORY_GIB, "free memory", f"{free:.1f} GiB", f"close programs until {MEMORY_GIB} GiB are free")


def weights():
    """Every shipped network is loaded, which compares its sha256 with its card."""
    from .. import zoo

    for name in zoo.names():
        try:
            zoo.load(name)
            card = zoo.card(name)
            found = (f"test accuracy {100 * card['accuracy']:.1f} %" if "accuracy" in card  # learned with labels
                     else f"{card['measured']}: {card['score']:.1f}")
            yield Line(True, f"weights {name}", f"intact, {found}", "")
        except Exception as error:  # whatever is wrong with one file is that file's line
            yield Line(False, f"weights {name}", str(error), f"`git checkout data/weights`, or `xaikit train {name} --save`")


def kernel():
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        argv = KernelSpecManager().get_kernel_spec("python3").argv
    except NoSuchKernel:
        return Line(False, "kernel python3", "none", f"`{sys.executable} -m ipykernel install --sys-prefix`")
    mine = argv[0] in ("python", "python3") or os.path.realpath(argv[0]) == os.path.realpath(sys.executable)
    return Line(mine, "kernel python3", "runs this Python" if mine else f"runs {argv[0]}", f"`{sys.executable} -m ipykernel install --sys-prefix`")


def downloads():
    """What only the scale-up cells use.  Absent is fine, and said."""
    from .. import data, zoo
    from ..errors import OfflineError

    def squeezenet():
        if not zoo.cached("squeezenet1_1"):
            raise OfflineError('zoo.imagenet("squeezenet1_1") gets it once there is a network')

    for what, get in (("squeezenet1_1", squeezenet), ("MNIST", lambda: data.mnist("test", n=1)),
                      ("CIFAR-10", lambda: data.cifar10("train", n=1))):
        try:
            get()
            yield Line(True, f"optional {what}", "on this machine", "")
        except OfflineError as error:
            yield Line(True, f"optional {what}", f"absent, and not needed: {str(error).splitlines()[0]}", "")


def browser():
    import webbrowser

    found = next((b for b in BROWSERS if shutil.which(b)), None)
    if found is None:
        try:
            found = webbrowser.get().name
        except webbrowser.Error:
            pass
    return Line(found is not None, "browser", found or "none found", "install Firefox or Chromium")
