"""Exercises: what is asked, how an answer is observed, how what was observed is judged, what the student is
shown.

For students: ``check("4.2", my_function)`` shows a card and returns a `Result`; it never raises.
``answer("4.2")`` is the student's function once it has passed, and the library's until then. ``catalog()``
lists everything.

For graders, an exercise falls into three parts, so that the process that runs a student's code never judges
it:

1. ``exercise = get("4.2")``; ``cases = exercise.cases(seed)`` (parent; numpy only, the same seed gives the
   same cases).
2. ``payload = case.payload()`` (parent → child): one flat ``dict[str, numpy array | int | float | str]``,
   no pickle needed. It holds everything the child may know; of a case with an oracle it holds no function.
   In the child: ``case = Case.from_payload(payload)``, or ``Case.from_payload(payload, ask)`` where
   ``payload["oracle"]`` is not empty; then ``observed = exercise.observe(function, case)``. ``observe``
   catches what a student's function raises (``SystemExit`` and ``KeyboardInterrupt`` pass through) and
   returns a flat ``dict[str, numpy array | int | float | str]``. It sets no time limit and captures no
   output: the caller does. A name the notebook never defined: ``observed = {"kind": "missing"}``. The child
   ran out of time: ``{"kind": "timeout", "seconds": 10.0}``. It died: ``{"kind": "died", "message": "…"}``.
3. ``verdict = exercise.judge(case, observed)`` (parent; numpy only, the parent's own case, never one from
   the child). `observed` may hold anything at all; the verdict is then "wrong", never an exception.
   ``score, worst = exercise.combine(verdicts)``: points for the whole exercise, and the verdict that
   explains it. A case's fraction is 1, 0, or between for a named near miss; the exercise gets the least
   over its cases.

Cases with an oracle (4.7: the number of network calls is part of the task). The network stays with the
judge:

* parent: ``oracle = exercise.oracle(case)`` (None where the case needs none); for every request that the
  child sends, ``reply = oracle.answer(request)``; after the child is done, ``observed = {**observed,
  **oracle.measured()}`` and judge. Requests and replies are flat dicts of arrays, ints and strings:
  ``{"op": "value", "points": (N, D)}`` → ``{"token": k, "values": (N,)}``; ``{"op": "vjp", "token": k,
  "cotangent": (N,)}`` → ``{"gradient": (N, D)}``; anything wrong → ``{"error": "…"}``. `answer` never
  raises and bounds how much it computes. Values are counted; products are not.
* child: ``Case.from_payload(payload, ask)`` with ``ask(request: dict) -> reply: dict`` over the pipe.

Fractions: a missing return value (``None``) is ``Verdict.status == "empty"`` (not attempted), else "wrong"
or "right".
"""

from .core import Case, Exercise, Result, Verdict
from .feedback import answer, catalog, check, failures, get, reset

__all__ = ["Case", "Exercise", "Result", "Verdict", "answer", "catalog", "check", "failures", "get", "reset"]
