"""Grade a folder of submitted notebooks: fresh random cases, one row a submission, whatever a submission
does.

The student's code runs in a child (see `sandbox`) that only answers questions; this process makes the
cases, asks, and judges with ``xaikit.exercises``.  Nothing a child says is more than a value to be
judged.
"""

import concurrent.futures
import contextlib
import hashlib
import importlib.util
import json
import os
import re
import secrets
import time
from pathlib import Path

from .. import home
from .build import write_all
from .sandbox import LIMITS, Server
from .session import Session
from .submission import Refused, lecture_of, plan, read, references

CELL_SECONDS = 20.0
_MOODLE = re.compile(r"^(?P<name>.+?)_\d+_assignsubmission_\w+?_?(?P<file>.*)$")
_NOT_SUBMITTED = {"__MACOSX", ".ipynb_checkpoints", "Thumbs.db", "desktop.ini"}


def grade(
    folder,
    out,
    workers=None,
    seed=None,
    timeout=180.0,
    root=None,
    cell_seconds=CELL_SECONDS,
    limits=None,
    fork=None,
):
    """Grade every submission under ``folder``; write ``grades.csv``, ``grades.json``, ``index.html`` and
    one report each.

    folder: notebooks with any names, or a folder for each student, as learning platforms export them.
    out: where results go; rows are also appended to ``grades.partial.jsonl`` as they come, so that an
    interrupted run keeps what it had.  workers: submissions at once (default: processors, at most 4).
    seed: of the random cases, recorded in grades.json; the same seed gives the same grades; None draws
    one.  timeout: seconds for one submission; cell_seconds: for one cell.  root: the course's folder,
    which holds ``solutions/``.  limits: see ``sandbox.LIMITS``. fork: False starts a new interpreter for
    each submission, as systems other than Linux do.

    Returns a DataFrame with one row per submission: student, file, lecture, points, out_of, note, seconds
    and a column for each exercise.  Raises ValueError where there is no folder, no submission or no
    graded lecture.
    """
    from tqdm.auto import tqdm

    root = Path(root or home()).resolve()
    folder, out = Path(folder).resolve(), Path(out).resolve()
    found = submissions(folder, out)
    if not found:
        raise ValueError(f"no submissions in {folder}")
    known = references(root)
    if not known:
        raise ValueError(f"no lecture with graded exercises in {root / 'solutions'}")
    seed = secrets.randbits(31) if seed is None else int(seed)
    questions = {ref.name: _questions(ref, root, seed) for ref in known}
    out.mkdir(parents=True, exist_ok=True)
    partial = out / "grades.partial.jsonl"
    limits = {**LIMITS, "wall": timeout + 60, "cpu": int(timeout) + 60, **(limits or {})}
    records = {}
    base = folder if folder.is_dir() else folder.parent
    with (
        Server(hidden=[root, base, out], kept=[root / "data"], limits=limits, fork=fork) as server,
        open(partial, "w", encoding="utf-8") as log,
        concurrent.futures.ThreadPoolExecutor(workers or min(os.cpu_count() or 1, 4)) as pool,
    ):
        jobs = {
            pool.submit(_grade_one, path, base, known, questions, server, timeout, cell_seconds): path
            for path in found
        }
        try:
            for job in tqdm(
                concurrent.futures.as_completed(jobs), total=len(jobs), desc="grading", unit="file"
            ):
                records[jobs[job]] = record = job.result()
                log.write(json.dumps(record) + "\n")
                log.flush()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    records = [records[path] for path in found]
    facts = {
        "seed": seed,
        "started": time.strftime("%Y-%m-%d %H:%M"),
        "timeout": timeout,
        "cell_seconds": cell_seconds,
        "limits": limits,
        "forked": server.fork,
        "barriers": server.barriers,
    }
    table = _write(out, records, facts, {ref.name: list(ref.checks) for ref in known})
    partial.unlink()
    return table


# ---------------------------------------------------------------------------------- what was submitted
def submissions(folder, out=None):
    """The files that count as submissions, sorted: every file at the top; in a student's folder its
    notebooks, or, where it has none, whatever is in it (the folder itself if it is empty).  Raises
    ValueError if ``folder`` does not exist."""
    folder = Path(folder)
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    found = []
    for entry in sorted(folder.iterdir()):
        if _ignored(entry) or entry == out:
            continue
        if entry.is_symlink() or not entry.is_dir():
            found.append(entry)
            continue
        inside = []
        for place, folders, files in os.walk(entry):
            folders[:] = sorted(x for x in folders if not _ignored(Path(x)) and Path(place, x) != out)
            inside += [Path(place, x) for x in sorted(files) if not _ignored(Path(x))]
        notebooks = [x for x in inside if x.suffix.lower() == ".ipynb"]
        found += notebooks or inside or [entry]
    return found


def _ignored(path):
    return path.name in _NOT_SUBMITTED or path.name.startswith(".")


def student_of(relative):
    """Whose submission a path is: the name in a learning platform's folder or file name, else the folder,
    else the file."""
    first = Path(relative).parts[0]
    match = _MOODLE.match(first)
    if match:
        return match["name"].strip()
    return first if len(Path(relative).parts) > 1 else Path(first).stem


# ------------------------------------------------------------------------------------------ cases
def _questions(ref, root, seed):
    """exercise id → (Exercise, cases) for a lecture: the public cases with a seed of their own, and the
    hidden ones."""
    from ..exercises import get

    hidden = _hidden(root / "solutions" / ref.name / "hidden.py")
    found = {}
    for name in ref.checks:
        exercise = get(name)
        own = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big")
        found[name] = (exercise, [*exercise.cases(own), *(hidden(name, own) if hidden else ())])
    return found


def _hidden(path):
    """``cases(exercise id, seed) -> list[Case]`` of a lecture's hidden.py, or None."""
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location(f"hidden_{path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cases


# ------------------------------------------------------------------------------------------ one submission
# An answer that hands on the library's passes every check, and only a person can say whether it should.
_BORROWED = re.compile(r"\banswer\s*\(|\.library\b|\bxaikit\b|\battribution\s*\.")


def _grade_one(path, base, known, questions, server, timeout, cell_seconds):
    began = time.monotonic()
    relative = path.relative_to(base).as_posix()
    record = {
        "student": student_of(relative),
        "file": relative,
        "lecture": "",
        "points": 0.0,
        "out_of": None,
        "note": "",
        "cells": [],
        "exercises": [],
    }
    try:
        cells = read(path)
        ref = lecture_of(cells, known)
        what = plan(cells, ref)
        record.update(lecture=ref.name, out_of=sum(points for _, points in ref.checks.values()))
        observed, notes = Session(server, began + timeout, cell_seconds).follow(what, questions[ref.name])
        record["cells"] = notes
        record["exercises"] = [
            _judged(name, ref, questions[ref.name][name], observed.get(name, []), what) for name in ref.checks
        ]
        record["points"] = round(sum(x["points"] for x in record["exercises"]), 2)
        borrowed = [x["id"] for x in record["exercises"] if x["points"] and _BORROWED.search(x["code"])]
        record["note"] = "; ".join(
            [f"code cell {x['cell']}: {x['error'][:80]}" for x in notes]
            + [f"{', '.join(borrowed)}: the answer calls the library; look at its code"] * bool(borrowed)
        )
    except Refused as error:
        record["note"] = str(error)
    except Exception as error:  # one submission must never end the batch
        record["note"] = f"could not be graded, look at it yourself: {type(error).__name__}: {error}"[:300]
    record["seconds"] = round(time.monotonic() - began, 2)
    # half a surrogate pair, in a file name or from a child, must not stop a report from being written
    return json.loads(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"))


def _judged(name, ref, question, observed, what):
    exercise, cases = question
    expression, out_of = ref.checks[name]
    verdicts = [exercise.judge(case, values) for case, values in zip(cases, observed, strict=False)]
    score, worst = exercise.combine(verdicts)
    share = min(max(score / exercise.points, 0.0), 1.0) if exercise.points else 0.0
    return {
        "id": name,
        "title": exercise.title,
        "points": round(share * out_of, 2),
        "out_of": out_of,
        "status": worst.status,
        "message": worst.message,
        "hint": worst.hint,
        "expected": worst.expected,
        "came": worst.came,
        "cases": len(cases),
        "expression": expression,
        "code": what.code.get(name, ""),
    }


# ------------------------------------------------------------------------------------------ results
def _write(out, records, facts, exercises):
    import pandas as pd

    from .report import overview, student_report

    names = [name for lecture in exercises.values() for name in lecture]
    used = {record["lecture"] for record in records}
    shown = [name for lecture, ids in exercises.items() if lecture in used for name in ids]
    rows = []
    for record in records:
        points = {x["id"]: x["points"] for x in record["exercises"]}
        rows.append(
            {
                key: record[key]
                for key in ("student", "file", "lecture", "points", "out_of", "note", "seconds")
            }
            | {name: points.get(name) for name in shown}
        )
    table = pd.DataFrame(rows)
    files, taken = {}, set()
    for record in records:
        slug = re.sub(r"[^\w.-]+", "_", record["file"]).strip("._")[:60] or "submission"
        number, record["report"] = 1, f"reports/{slug}.html"
        while record["report"].lower() in taken:
            number += 1
            record["report"] = f"reports/{slug}-{number}.html"
        taken.add(record["report"].lower())
        files[out / record["report"]] = student_report(record, facts)
    files[out / "index.html"] = overview(records, facts, names)
    files[out / "grades.json"] = (
        json.dumps({**facts, "submissions": records}, indent=1, ensure_ascii=False) + "\n"
    )
    files[out / "grades.csv"] = _safe_csv(table)
    with contextlib.suppress(FileNotFoundError):
        for old in (out / "reports").iterdir():
            if old.suffix == ".html" and old not in files:
                old.unlink()
    write_all(files)
    return table


def _safe_csv(table):
    """CSV in which no text that a student wrote is taken for a formula by a spreadsheet."""
    texts = table.select_dtypes(["object", "string"]).columns
    safe = table.copy()
    for column in texts:
        safe[column] = [f"'{x}" if isinstance(x, str) and x[:1] in "=+-@\t\r" else x for x in table[column]]
    return safe.to_csv(index=False)
