"""What a student reads about a graded notebook, and what an instructor sees of the class.  Pages that
stand alone: no scripts, no addresses, everything a student wrote escaped; they print on paper as they
look."""

from html import escape

MARKS = {"right": "✓", "wrong": "✗", "empty": "–"}
WORDS = {"right": "right", "wrong": "not yet", "empty": "not attempted"}
CODE_SHOWN = 20_000

STYLE = """
:root { --ink:#1d2733; --soft:#5b6775; --line:#d8dee6; --good:#1a7f4b; --bad:#b3261e; --none:#6b7480;
  --bar:#3567b8; }
* { box-sizing:border-box }
body { font:16px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif; color:var(--ink);
  margin:2.5rem auto; max-width:56rem; padding:0 1.2rem }
h1 { font-size:1.6rem; margin:0 0 .2rem }
h2 { font-size:1.15rem; margin:0 }
.soft { color:var(--soft) }
.total { font-size:2.2rem; font-weight:650; margin:.6rem 0 1.2rem }
.total small { font-size:1rem; font-weight:400 }
table { border-collapse:collapse; width:100%; margin:1rem 0 }
th,td { text-align:left; padding:.4rem .6rem; border-bottom:1px solid var(--line); vertical-align:top;
  overflow-wrap:break-word }
td.id { width:1%; white-space:nowrap }
td.who { min-width:9rem; max-width:16rem }
td.long { overflow-wrap:anywhere }
th { color:var(--soft); font-weight:500 }
td.n,th.n { text-align:right; white-space:nowrap; font-variant-numeric:tabular-nums }
.right { color:var(--good) }
.wrong { color:var(--bad) }
.empty { color:var(--none) }
section { border:1px solid var(--line); border-left:5px solid var(--none); border-radius:6px; padding:1rem
  1.2rem; margin:1.1rem 0; break-inside:avoid-page }
section.s-right { border-left-color:var(--good) }
section.s-wrong { border-left-color:var(--bad) }
.head { display:flex; justify-content:space-between; gap:1rem }
.head b { white-space:nowrap }
dl { display:grid; grid-template-columns:max-content 1fr; gap:.2rem 1rem; margin:.6rem 0 }
dt { color:var(--soft) }
dd { margin:0; overflow-wrap:anywhere; white-space:pre-wrap }
pre { background:#f5f7fa; border-radius:4px; padding:.7rem .9rem; font:13px/1.45 ui-monospace,
  "DejaVu Sans Mono",monospace; white-space:pre-wrap; overflow-wrap:anywhere; margin:.6rem 0 0 }
.hint { background:#fff8e1; border-radius:4px; padding:.5rem .8rem; margin:.6rem 0; white-space:pre-wrap }
.note { background:#fdecea; border-radius:6px; padding:.7rem 1rem }
.charts { display:grid; grid-template-columns:repeat(auto-fill,minmax(12.5rem,1fr)); gap:1rem 1.4rem }
figure { margin:0; break-inside:avoid }
figcaption { font-size:.85rem }
svg { display:block; width:100%; height:auto }
summary { color:var(--soft); cursor:pointer }
footer { color:var(--soft); font-size:.85rem; margin-top:2rem; border-top:1px solid var(--line);
  padding-top:.7rem }
@media print { body { margin:0; max-width:none; font-size:11pt } section { break-inside:auto } a {
  color:inherit } }
"""


def _page(title, body):
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _number(value):
    return "–" if value is None else f"{value:g}"


# ------------------------------------------------------------------------------------------ one student
def student_report(record, facts):
    """The page for one row of the grades (see ``grade``): the points, and for each exercise what was
    found and their code."""
    parts = [
        f"<h1>{escape(record['student'])}</h1>",
        f'<div class="soft">{escape(record["lecture"] or "no lecture")} · {escape(record["file"])}</div>',
    ]
    if not record["exercises"]:
        parts.append(f'<p class="note">This file could not be graded: {escape(record["note"])}.</p>')
    else:
        total = f"{_number(record['points'])} <small>of {_number(record['out_of'])} points</small>"
        parts.append(f'<div class="total">{total}</div>')
        rows = "".join(
            f"<tr><td class='id'>{escape(x['id'])}</td><td>{escape(x['title'])}</td>"
            f'<td class="{_status(x)}">{_verdict(x)}</td>'
            f'<td class="n">{_number(x["points"])} / {_number(x["out_of"])}</td></tr>'
            for x in record["exercises"]
        )
        parts.append(
            '<table><tr><th>Exercise</th><th></th><th></th><th class="n">Points</th></tr>' + rows + "</table>"
        )
    if record["cells"]:
        rows = "".join(
            f'<tr><td class="id n">{x["cell"]}</td><td class="long">{escape(x["error"])}</td></tr>'
            for x in record["cells"]
        )
        parts.append(
            '<h2>Cells that did not run to their end</h2><table><tr><th class="n">Code cell</th>'
            f"<th>What happened</th></tr>{rows}</table>"
        )
    parts += [_exercise(x) for x in record["exercises"]]
    parts.append(
        f"<footer>Graded {escape(facts['started'])} on fresh random cases, "
        f"{_number(record['seconds'])} s.</footer>"
    )
    return _page(f"{record['student']} – {record['lecture'] or record['file']}", "\n".join(parts))


def _status(exercise):
    return exercise["status"] if exercise["status"] in MARKS else "wrong"


def _verdict(exercise):
    status = _status(exercise)
    partly = status == "wrong" and exercise["points"] > 0
    return f"{MARKS[status]} {'partly right' if partly else WORDS[status]}"


def _exercise(x):
    status = _status(x)
    parts = [
        f'<section class="s-{status}"><div class="head"><h2>{escape(x["id"])} · {escape(x["title"])}</h2>'
        f'<b class="{status}">{_verdict(x)} · {_number(x["points"])} / {_number(x["out_of"])}</b></div>'
    ]
    if x["message"]:
        parts.append(f"<p>{escape(x['message'])}</p>")
    pairs = [(name, x[key]) for name, key in (("expected", "expected"), ("came", "came")) if x[key]]
    if pairs:
        parts.append(
            "<dl>" + "".join(f"<dt>{n}</dt><dd>{escape(str(v)[:2000])}</dd>" for n, v in pairs) + "</dl>"
        )
    if x["hint"]:
        parts.append(f'<div class="hint"><b>Hint.</b> {escape(x["hint"])}</div>')
    if x["code"] and status != "empty":
        parts.append(f'<pre aria-label="your code">{escape(x["code"][:CODE_SHOWN])}</pre>')
    return "\n".join([*parts, "</section>"])


# ------------------------------------------------------------------------------------------ the class
def overview(records, facts, exercises):
    """The class on one page: how many, a histogram of points for each exercise, and a table that links to
    the reports."""
    graded = [r for r in records if r["exercises"]]
    refused = len(records) - len(graded)
    parts = [
        "<h1>Grades</h1>",
        f'<div class="soft">{len(records)} submissions, {refused} of them could not be graded · '
        f"{escape(facts['started'])} · seed {facts['seed']}</div>",
    ]
    if graded:
        by_lecture = {}
        for record in graded:
            by_lecture.setdefault(record["lecture"], []).append(record)
        for lecture, group in sorted(by_lecture.items()):
            mean = sum(r["points"] for r in group) / len(group)
            parts.append(
                f"<h2 style='margin-top:1.6rem'>{escape(lecture)}</h2>"
                f"<p class='soft'>{len(group)} submissions, on average {mean:.1f} of "
                f"{_number(group[0]['out_of'])} points. Bars: how many students have how many points.</p>"
                "<div class='charts'>"
            )
            parts += [_histogram(name, group) for name in exercises if any(_of(r, name) for r in group)]
            parts.append("</div>")
    heads = [name for name in exercises if any(_of(r, name) for r in graded)]
    head = "".join(f'<th class="n">{escape(n)}</th>' for n in heads)
    rows = "".join(_row(r, heads) for r in sorted(records, key=lambda r: (r["student"].lower(), r["file"])))
    parts.append(
        f'<table><tr><th>Student</th><th class="n">Points</th>{head}<th>Note</th></tr>{rows}</table>'
    )
    held = ", ".join(facts["barriers"]) or "none known"
    way = (
        ""
        if facts["forked"]
        else " This system cannot fork children: each was a new interpreter with fewer barriers."
    )
    parts.append(f"<footer>Submissions ran behind these barriers: {escape(held)}.{way}</footer>")
    return _page("Grades", "\n".join(parts))


def _short(note):
    return note if len(note) <= 160 else note[:159] + "…"


def _of(record, name):
    return next((x for x in record["exercises"] if x["id"] == name), None)


def _row(record, heads):
    cells = ""
    for name in heads:
        x = _of(record, name)
        cells += f'<td class="n {_status(x) if x else ""}">{_number(x["points"]) if x else ""}</td>'
    return (
        f'<tr><td class="who"><a href="{escape(record["report"])}">{escape(record["student"])}</a></td>'
        f'<td class="n">{_number(record["points"])} / {_number(record["out_of"])}</td>{cells}'
        f'<td class="soft long">{escape(_short(record["note"]))}</td></tr>'
    )


def _histogram(name, group):
    found = [x for x in (_of(r, name) for r in group) if x]
    out_of = found[0]["out_of"]
    steps = int(out_of) if out_of == int(out_of) and out_of <= 10 else 4
    counts = [0] * (steps + 1)
    for x in found:
        counts[round(x["points"] / out_of * steps) if out_of else 0] += 1
    width, high, top = 200, 70, max(counts)
    gap = width / (steps + 1)
    bars = []
    for k, count in enumerate(counts):
        tall = high * count / top
        left = k * gap + gap * 0.12
        bars.append(
            f'<rect x="{left:.1f}" y="{16 + high - tall:.1f}" width="{gap * 0.76:.1f}" height="{tall:.1f}" '
            'fill="#3567b8"/>'
        )
        if count:
            bars.append(f'<text x="{(k + 0.5) * gap:.1f}" y="{12 + high - tall:.1f}">{count}</text>')
        bars.append(f'<text x="{(k + 0.5) * gap:.1f}" y="{high + 30}">{k * out_of / steps:g}</text>')
    told = ", ".join(f"{c} with {k * out_of / steps:g}" for k, c in enumerate(counts) if c)
    return (
        f"<figure><figcaption><b>{escape(name)}</b> {escape(found[0]['title'])}</figcaption>"
        f'<svg viewBox="0 0 {width} {high + 36}" role="img" aria-label="points in {escape(name)}: {told}" '
        f'font-size="11" text-anchor="middle" fill="#1d2733">{"".join(bars)}'
        f'<line x1="0" y1="{16 + high}" x2="{width}" y2="{16 + high}" stroke="#9aa5b1"/></svg></figure>'
    )
