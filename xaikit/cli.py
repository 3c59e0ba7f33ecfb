"""The command line: ``xaikit lab · doctor · demo · build · check · grade · train · run`` (also ``python -m xaikit``).

Every command is one call into the library; what a command prints is all that happens here.
"""
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import home

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False,
                  help="A notebook course on interpreting deep networks.")


@app.command()
def lab(lecture: Annotated[str, typer.Argument(help="lecture to open, e.g. 04")] = "00",
        browser: Annotated[bool, typer.Option(help="open a browser window")] = True,
        port: Annotated[int, typer.Option(help="port; the next free one if it is taken")] = 8888):
    """Open JupyterLab on the course."""
    from .classroom import serve

    raise typer.Exit(serve.lab(home(), notebook=_notebook(lecture), browser=browser, port=port))


@app.command()
def demo(name: Annotated[str, typer.Argument(help="lecture or demo, e.g. 04 or 04/paths; none: all of them")] = "",
         browser: Annotated[bool, typer.Option(help="open a browser window")] = True,
         port: Annotated[int, typer.Option(help="port; the next free one if it is taken")] = 8866):
    """Serve the live demos as an app in the browser."""
    from .classroom import serve

    with _clear_errors():
        raise typer.Exit(serve.demo(name or None, browser=browser, port=port))


@app.command()
def doctor():
    """Check this machine: a line per thing that is needed, with the fix."""
    from .classroom import doctor

    raise typer.Exit(doctor.main(home()))


@app.command()
def build(check: Annotated[bool, typer.Option("--check", help="change nothing; fail if anything would change")] = False,
          only: Annotated[str, typer.Option(help="one lecture, e.g. 04")] = ""):
    """Make course/ and the executed solutions/ from the lecture sources."""
    from .classroom import build

    with _clear_errors():
        changed = build.build(home(), check=check, only=only or None)
    for line in changed:
        typer.echo(line)
    if check and changed:
        typer.echo(f"{len(changed)} out of step with the sources: run `make build`", err=True)
        raise typer.Exit(1)
    typer.echo("nothing to change" if not changed else f"{len(changed)} written")


@app.command()
def check(workers: Annotated[int, typer.Option(help="notebooks at a time")] = 2):
    """Run every notebook of course/ and solutions/ from top to bottom."""
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "120",
               "--nbval-kernel-startup-timeout", "120", "-n", str(workers), "--dist", "loadfile", "-q",
               "course", "solutions"]
    raise typer.Exit(subprocess.run(command, cwd=home()).returncode)


@app.command()
def grade(submissions: Annotated[Path, typer.Argument(help="folder of submitted notebooks, any names")],
          out: Annotated[Path, typer.Option(help="folder for grades.csv, grades.json and the reports")] = Path("results"),
          workers: Annotated[int, typer.Option(help="submissions at a time")] = 2,
          seed: Annotated[int | None, typer.Option(help="seed of the random cases; fresh ones if not given")] = None):
    """Grade a folder of submitted notebooks."""
    from .classroom import grade

    with _clear_errors():
        table = grade.grade(submissions, out, workers=workers, seed=seed)
    typer.echo(table.to_string(index=False))
    typer.echo(f"\n{len(table)} graded: {out / 'grades.csv'}, reports in {out}")


@app.command()
def train(name: Annotated[str, typer.Argument(help="a network of `xaikit train list`")],
          seed: int = 0,
          save: Annotated[bool, typer.Option("--save", help="replace the shipped weights and card")] = False):
    """Train a shipped network again by its recipe, and compare it with its card."""
    from . import zoo

    if name == "list":
        for each in zoo.names():
            card = zoo.card(each)
            typer.echo(f"{each:16} {card['data']}: {_stated(card)}")
        raise typer.Exit
    with _clear_errors():
        shipped = zoo.card(name) if name in zoo.store.cards() or not save else None  # a new network has no card yet
        # a recipe of hours keeps its state here and goes on from it when the command is given again
        kept = home() / "build" / "train" / f"{name}-{seed}.pt" if zoo.restarts(name) else None
        model = zoo.train(name, seed=seed, checkpoint=kept)
        if shipped:
            typer.echo(f"{name}: {_stated(shipped | {_kind(shipped): zoo.score(name, model)})}; "
                       f"the shipped weights' {shipped[_kind(shipped)]:.4f}")
        if save:
            typer.echo(f"written: {zoo.save(name, model, seed=seed)}")
    if kept:
        kept.unlink(missing_ok=True)


@app.command()
def run(name: Annotated[str, typer.Argument(help="lecture or study, e.g. 05 or 05/kernel")],
        full: Annotated[bool, typer.Option("--full", help="run it; without, say what would run and how long")] = False):
    """Make the tables again that a lecture shows from a longer run; goes on where it was interrupted."""
    from . import studies

    with _clear_errors():
        for study in studies.registered(name) if "/" not in name else [studies.get(name)]:
            typer.echo(f"{study.name}: {study.what} ({study.minutes:g} minutes on two cores)")
            if full:
                typer.echo(f"written: {studies.run(study.name)}")


def _kind(card):
    return "accuracy" if "accuracy" in card else "score"


def _stated(card):
    """What a network's card says of how good it is."""
    return f"{card.get('measured', 'test accuracy')} {card[_kind(card)]:.4f}"


class _clear_errors:
    """An error that says what to do needs no traceback."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        from .errors import DamagedFile, OfflineError

        if isinstance(error, (ValueError, FileNotFoundError, NotADirectoryError, OfflineError, DamagedFile)):
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None


def _notebook(lecture):
    found = sorted((home() / "course").glob(f"{lecture}*/*.ipynb"))
    if not found:
        typer.echo(f"error: no lecture {lecture!r} in {home() / 'course'}", err=True)
        raise typer.Exit(1)
    return found[0].relative_to(home())
