"""The opening notebook and the map of methods: every row, every filter, every cell twice."""
import html as html_module
import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xaikit import attribution, exercises, methods_map

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "solutions" / "00_start_here" / "00_start_here.py"
SLIDES = Path(os.environ.get("XAIKIT_SLIDES", "no slides"))  # a folder with the text of the decks
DECK_FILES = {"Zhong": "000", "Sun": "001", "Na": "002", "Q. Zhang": "003", "H. Zhang": "004"}

# The attribution table of the slides (Zhang et al. 2020), as it stands there: (approach, scope) → names.
SLIDES_TABLE = {
    ("active", "local"): ("ExpO", "DAPr", "LFI-CAM"),
    ("active", "semi-local"): (),
    ("active", "global"): ("Dual-net",),
    ("passive", "local"): ("LIME", "MAPLE", "Partial derivatives", "DeconvNet", "Guided backprop", "Grad-CAM",
                           "Shapley values", "Sensitivity analysis", "Feature selector", "Bias attribution"),
    ("passive", "semi-local"): ("DeepLIFT", "LRP", "Integrated gradients", "Feature selector", "MAME"),
    ("passive", "global"): ("Feature selector", "TCAV", "ACE", "SpRAY", "MAME", "DeepConsensus"),
}


@pytest.fixture(scope="module")
def frame():
    return methods_map.table()


def raw():
    return pd.read_csv(ROOT / "xaikit" / "methods_map.csv", dtype=str, keep_default_na=False)


# ------------------------------------------------------------------------------------------ the table
def test_every_method_of_the_library_stands_in_one_row(frame):
    named = [n for cell in frame["xaikit"] if cell != methods_map.NONE for n in cell.split(", ")]
    assert sorted(named) == sorted(attribution.METHODS)


def test_the_library_column_is_looked_up(monkeypatch, frame):
    # not delitem: what it puts back comes last, and the order of the methods is the order of every list of them
    monkeypatch.setattr(attribution, "METHODS", {n: m for n, m in attribution.METHODS.items() if n != "occlusion"})
    before, now = (f.set_index("method")["xaikit"]["Occlusion"] for f in (frame, methods_map.table()))
    assert (before, now) == ("occlusion", methods_map.NONE)


def test_the_table_agrees_with_the_slides_own():
    rows = raw()
    placed = rows[rows["placed"] == "slides"]
    for approach in ("active", "passive"):
        for scope in ("local", "semi-local", "global"):
            here = placed[(placed["approach"] == approach)
                          & placed["scope"].map(lambda cell, scope=scope: scope in cell.split(", "))]
            assert set(here["slide"]) == set(SLIDES_TABLE[approach, scope]), (approach, scope)
    assert set(placed["explanation"]) == {"attribution"}


def test_every_row_names_its_slide(frame):
    rows = raw()
    assert set(rows[rows["deck"] == methods_map.NONE]["method"]) == {"SmoothGrad"}
    assert set(rows["deck"]) - {methods_map.NONE} <= set(methods_map.DECKS)
    assert (frame["slide"] == "not on the slides").sum() == 1


@pytest.mark.skipif(not SLIDES.is_dir(), reason="XAIKIT_SLIDES names no folder with the text of the slides")
def test_the_words_of_the_slide_are_on_the_slide():
    decks = {name: next(SLIDES.glob(f"{n}_*.txt")).read_text().casefold() for name, n in DECK_FILES.items()}
    for row in raw().to_dict("records"):
        if row["deck"] != methods_map.NONE:
            assert row["slide"].casefold() in decks[row["deck"]], row["method"]


def test_every_cell_is_one_that_the_map_knows(frame):
    for name, known in methods_map.DIMENSIONS.items():
        assert {v for cell in frame[name] for v in cell.split(", ")} == set(known), name
    assert frame["method"].is_unique and frame["year"].between(1980, 2026).all()
    text = frame.astype(str)
    assert (text.map(str.strip) == text).all(axis=None) and (text != "").all(axis=None)


def test_lectures_are_those_of_the_design(frame):
    assert list(methods_map.LECTURES) == [f"0{i}" for i in range(9)]
    assert set(frame["lecture"]) - {methods_map.NONE} <= set(methods_map.LECTURES)
    written = {folder.name[:2] for folder in (ROOT / "solutions").glob("[0-9][0-9]_*")}
    assert {"00"} <= written <= set(methods_map.LECTURES)
    assert set(exercises.catalog()["lecture"]) <= set(methods_map.LECTURES)


def test_traits_follow_their_rules(frame):
    traits = frame.set_index("method")["traits"].map(lambda cell: set(cell.split(", ")))
    assert traits["LIME"] == {"confidence", "trust"}  # its own title asks for trust
    assert traits["Occlusion"] == {"confidence", "safety"}
    assert traits["Prototype network"] == {"ethics"}
    assert traits["Influence functions"] == {methods_map.NONE}
    for trait in methods_map.TRAITS:
        assert 0 < traits.map(lambda held, trait=trait: trait.name in held).sum() < len(frame)


# ------------------------------------------------------------------------------------------ filters
def test_each_filter_at_every_option_with_real_widgets(frame):
    box = methods_map.explore()
    assert list(box.controls) == ["search", *methods_map.options()]
    for name, values in methods_map.options().items():
        assert [v for _, v in box.controls[name].options] == values
        sizes = {}
        for value in values:
            box.controls[name].value = value
            sizes[value] = len(box.frame)
            assert f"{len(box.frame)} of {len(frame)} methods" in box.table.value
            assert box.table.value.count("<tr>") == len(box.frame) + 1
            for cell in box.frame["traits" if name == "trait" else "xaikit" if name == "here" else name]:
                if name == "here":
                    assert value == "any" or (cell != methods_map.NONE) == (value == "in xaikit")
                else:
                    assert value == "any" or value in cell.split(", ")
        assert sizes["any"] == len(frame)
        assert all(0 < n < len(frame) for v, n in sizes.items() if v != "any"), (name, sizes)
        assert sum(n for v, n in sizes.items() if v != "any") >= len(frame) - (name == "trait")
        box.controls[name].value = "any"


def test_filters_combine_and_an_empty_table_says_so(frame):
    box = methods_map.explore()
    box.controls["approach"].value = "active"
    box.controls["scope"].value = "local"
    assert set(box.frame["method"]) == {"ExpO", "DAPr", "LFI-CAM", "Prototype network"}
    box.controls["search"].value = "  PRIOR  "
    assert list(box.frame["method"]) == ["DAPr"]
    box.controls["search"].value = "<b>no such word</b>"
    assert len(box.frame) == 0 and "No method fits" in box.table.value and "<b>no" not in box.table.value


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20))
def test_search_finds_rows_that_hold_every_word(text):
    found = methods_map.select(search=text)
    everything = methods_map.table().astype(str).agg(" ".join, axis=1).str.casefold()
    expected = [all(word in row for word in text.casefold().split()) for row in everything]
    assert list(found.index) == list(np.flatnonzero(expected))


def test_unknown_options_are_named():
    with pytest.raises(ValueError, match="scope='galactic' is not one of any, local, semi-local, global"):
        methods_map.select(scope="galactic")


@given(st.text())
def test_html_escapes_whatever_stands_in_a_cell(text):
    row = methods_map.table().iloc[[0]].copy()
    for column in row.columns.drop("year"):
        row[column] = "<i>" + text
    made = methods_map.html(row)
    assert "<i>" not in made and html_module.escape("<i>" + text) in made


def test_the_table_is_headed_for_a_screen_reader(frame):
    made = methods_map.html(frame)
    assert made.count('scope="col"') == len(methods_map.SHOWN) and made.count('scope="row"') == len(frame)
    assert "<caption" in made and "<thead>" in made
    cells = [len(re.findall(r"<t[hd]", row)) for row in re.findall(r"<tr>.*?</tr>", made)]
    assert set(cells) == {len(methods_map.SHOWN)}


def test_without_widgets_the_map_is_a_dataframe(monkeypatch, frame):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    pd.testing.assert_frame_equal(methods_map.explore(), frame)


def test_a_page_that_runs_no_code_shows_the_rows(frame):
    box = methods_map.explore()
    box.controls["scope"].value = "semi-local"
    bundle = box._repr_mimebundle_()
    assert box.table.value in bundle["text/html"] and "Integrated gradients" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_changing_a_result_changes_nothing_else(frame):
    mine = methods_map.table()
    mine.loc[:, "method"] = "mine"
    pd.testing.assert_frame_equal(methods_map.table(), frame)


def test_the_crossing_counts_what_it_names():
    names, counts = methods_map.crossing(), methods_map.crossing(count=True)
    assert "Integrated gradients" in names.loc["passive", "semi-local"].split(", ")
    assert names.loc["active", "semi-local"] == methods_map.NONE and counts.loc["active", "semi-local"] == 0
    assert counts.loc["active", "local"] == len(names.loc["active", "local"].split(", ")) == 3


# ------------------------------------------------------------------------------------------ the lectures
def test_the_syllabus_links_what_can_be_opened(tmp_path):
    (tmp_path / "course" / "04_ig_axioms").mkdir(parents=True)
    table = methods_map.lectures(tmp_path)
    assert table.loc["04", "notebook"] == "04_ig_axioms" and table.loc["05", "notebook"] == methods_map.NONE
    page = methods_map.syllabus(exercises.catalog(), tmp_path)
    assert re.findall(r'href="([^"]*)"', page) == ["../04_ig_axioms/04_ig_axioms.ipynb"]
    own = exercises.catalog().query("lecture == '04'")
    assert f"{len(own)} exercises, {own['points'].sum():g} points" in page
    assert "1 exercise, 1 point" in page and page.plain.count("\n") == 8


# ------------------------------------------------------------------------------------------ exercise 0.1
def by_loop(heatmap):
    total = 0.0
    for row in heatmap:
        for value in row:
            total += float(value)
    return total


@pytest.mark.parametrize("answer", [
    lambda h: h.sum(), by_loop, lambda h: h.numpy().sum(), lambda h: h.sum(0).sum(0), lambda h: [h.sum()],
    lambda h: torch.einsum("ij->", h), lambda h: h.sum(dim=(0, 1), keepdim=True),
])
def test_right_answers_pass(answer):
    result = exercises.check("0.1", answer)
    assert result.passed and result.score == result.max_score == 1


@pytest.mark.parametrize("answer, hint", [
    (lambda h: h.mean(), "mean"), (lambda h: h.abs().sum(), "minus"), (lambda h: -h.sum(), "turned round"),
    (lambda h: h.clamp(min=0).sum(), "red pixels"), (lambda h: h.clamp(max=0).sum(), "blue pixels"),
    (lambda h: h.sum(1), "one axis"), (lambda h: h.sum(0), "one axis"), (lambda h: h.max(), "largest"),
    (lambda h: h.numel(), "number of pixels"), (lambda h: h.mul_(1).add_(1).sub_(1).mul_(2).sum(), ""),
])
def test_wrong_answers_get_the_hint_that_fits(answer, hint):
    result = exercises.check("0.1", answer)
    assert not result.passed and result.score == 0 and hint in result.hint


def test_nothing_written_is_not_an_attempt():
    assert exercises.check("0.1", lambda heatmap: ...).status == "empty"


# ------------------------------------------------------------------------------------------ the notebook
@pytest.fixture(scope="module")
def twice():
    """The notebook with every code cell run twice in a row: pairs of cells."""
    from xaikit.classroom.build import read_source
    from xaikit.classroom.execute import execute
    from xaikit.classroom.outputs import normalise

    nb = read_source(SOURCE)
    nb.cells = [cell for once in nb.cells if once.cell_type == "code" for cell in (once, once.copy())]
    execute([("00_start_here", nb, SOURCE.parent)], ROOT, 60)
    normalise(nb, ROOT)
    return list(zip(nb.cells[::2], nb.cells[1::2], strict=True))


def shown(cell):
    """What a cell's outputs say and show, without counters."""
    return [(o.get("data") or {"text": o.get("text")}) for o in cell.outputs]


def test_each_cell_twice_gives_the_same(twice):
    assert len(twice) >= 12
    for first, second in twice:
        assert shown(first) == shown(second), first.source
        assert "stderr" not in [o.get("name") for o in first.outputs], first.source


def test_the_first_heatmap_comes_within_four_cells(twice):
    figures = [i for i, (cell, _) in enumerate(twice) if any("image/png" in d for d in shown(cell))]
    assert figures and figures[0] <= 4


def test_every_picture_has_an_alt_text(twice):
    pictures = 0
    for cell, _ in twice:
        for output in cell.outputs:
            for mime in ("image/png", "image/jpeg"):
                if mime in output.get("data", {}):
                    pictures += 1
                    assert len(output.metadata[mime]["alt"]) > 20, cell.source
    assert pictures >= 2


def test_the_check_of_the_solution_passes(twice):
    card = next(cell for cell, _ in twice if cell.source.startswith('check("0.1"'))
    assert "1" in str(shown(card)) and "not attempted" not in str(shown(card)).lower()
    used = next(cell for cell, _ in twice if cell.source.startswith("total = float"))
    said = next(o.text for o in used.outputs if o.output_type == "stream")
    total, rise = (float(n) for n in re.findall(r"-?\d+\.\d+", said))
    assert total == pytest.approx(rise, rel=0.02) and rise > 1


def test_an_empty_notebook_runs_to_the_end(tmp_path):
    from xaikit.classroom.build import read_source
    from xaikit.classroom.execute import execute
    from xaikit.classroom.source import student_notebook

    nb = read_source(SOURCE)
    for i, cell in enumerate(nb.cells):
        cell["id"] = f"cell-{i}"
    student = student_notebook(nb)
    assert "return heatmap.sum()" not in "".join(c.source for c in student.cells)
    execute([("00_start_here", student, tmp_path)], ROOT, 60)
    card = next(c for c in student.cells if c.source.startswith('check("0.1"'))
    assert "not attempted" in str(shown(card)).lower()


def test_names_in_the_text_exist():
    text = SOURCE.read_text()
    for number in re.findall(r"\.\./(\d\d)_", text):
        assert number in methods_map.LECTURES
    assert "BEGIN SOLUTION" in text and not re.search(r"https?://", text)
