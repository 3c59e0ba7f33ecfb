"""One submission's way through the sandbox: what ends a child costs that cell or exercise, and nothing
else."""

import time

from .sandbox import Ended
from .submission import Run


class Session:
    """The children one submission needs: what ends one costs that cell or exercise, then a fresh one
    takes over."""

    def __init__(self, server, deadline, cell_seconds):
        self.server, self.deadline, self.cell_seconds = server, deadline, cell_seconds
        self.child, self.done, self.bad, self.notes = None, [], set(), {}

    def follow(self, what, questions):
        """Returns (exercise → what was observed in each case, notes on cells that failed)."""
        observed = {}
        try:
            for step in what.steps:
                if isinstance(step, Run):
                    self.done.append(step)
                    if self.child is None or not self._run(step):
                        self._ready()
                else:
                    observed[step.exercise] = self._take(step, *questions[step.exercise])
        finally:
            if self.child is not None:
                self.child.close()
        return observed, [{"cell": n, "error": text} for n, text in sorted(self.notes.items())]

    def _left(self):
        return self.deadline - time.monotonic()

    def _ready(self):
        """A child that has run every cell so far but those that end a child.  Returns False if time is up."""
        while self.child is None and self._left() > 0:
            self.child = self.server.child()
            for step in self.done:
                if step.number not in self.bad and not self._run(step):
                    break
        return self.child is not None

    def _run(self, step):
        try:
            error = self.child.run(step.code, max(min(self.cell_seconds, self._left()), 0.01))
        except Ended as end:
            self.child = None
            self.bad.add(step.number)
            self.notes[step.number] = str(end)
            return False
        if error:
            self.notes.setdefault(step.number, error)
        return True

    def _take(self, step, exercise, cases):
        """(observed, measured by the oracle) for each case; after one that ended the child the others are
        not tried."""
        results = []
        for case in cases:
            oracle = exercise.oracle(case)
            if not self._ready():
                values = {
                    "kind": "died",
                    "message": "no time was left for it: the submission as a whole took too long",
                }
            else:
                seconds = max(min(exercise.seconds, self._left()), 0.01)
                try:
                    values = self.child.observe(exercise.id, step.expression, case.payload(), seconds, oracle)
                except Ended as end:
                    self.child = None
                    late = "took longer" in str(end)
                    values = (
                        {"kind": "timeout", "seconds": float(seconds)}
                        if late
                        else {"kind": "died", "message": str(end)}
                    )
            if oracle is not None:
                values = {**values, **oracle.measured()}
            results.append(values)
            if self.child is None:
                results += [values] * (len(cases) - len(results))
                break
        return results
