"""Lecture 04 on its own: its parts, the paper's numbers, and the empty notebook as a student opens it."""

import re

import pytest
from lectures import code_cells, prose, read, run, texts


@pytest.fixture(scope="module")
def notebook():
    return read("04")


def test_nine_sections_in_order_and_the_closing_table(notebook):
    text = prose(notebook)
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert [h for h in headings if h[0].isdigit()] == [
        h for k in range(1, 10) for h in headings if h.startswith(f"{k} · ")
    ]
    assert len([h for h in headings if h[0].isdigit()]) == 9 and headings[-1] == "Paper against here"
    opening = notebook.cells[0].source
    assert all(
        word in opening for word in ("**You will be able to**", "**Time**", "**Builds on**", "**Sources**")
    )
    for part in re.split(r"^## (?=\d)", text, flags=re.M)[1:9]:
        assert re.search(r"What to see|second look|\*\*Picture", part), part[:60]
    shown = re.findall(r'demos\.get\("(04[^"]*)"\)', "\n".join(c.source for c in notebook.cells))
    assert shown == ["04/vanishing", "04/sensitivity", "04/steps", "04/paths", "04/baseline", "04"]


def test_the_opening_table_adds_up(notebook):
    from xaikit import exercises

    minutes = exercises.catalog().query("lecture == '04'").minutes.sum()
    assert f"{minutes} for the seven exercises" in prose(notebook)


def test_the_numbers_of_the_paper_come_out(notebook):
    upto = next(i for i, c in enumerate(code_cells(notebook)) if "plot.bars" in c.source and "pair" in c.source)
    cells, _, _ = run("04", code_cells(notebook)[:upto])
    text = texts(cells)
    rows = {
        line.split("  ")[0].strip(): re.findall(r"-?\d\.\d", line)
        for line in text.splitlines()
        if re.match(r"(Int|DeepL|LRP)", line)
    }
    assert rows["LRP, bias excluded"] == ["1.5", "-0.5", "2.0", "-1.0"]
    assert rows["LRP, bias kept"] == ["3.0", "-1.0", "3.0", "-1.0"]
    assert "1.5 -0.5  2.0 -1.0" in text and "1.5 -0.5  1.5 -0.5" in text


def test_the_demo_of_sensitivity_changes_one_input_only():
    """Complete methods give the whole change to x₂ and nothing to x₁, wherever the sliders are."""
    from xaikit.demos.lecture04_functions import of_difference

    for x1, x2 in ((3.0, 1.0), (3.0, 2.5), (1.05, 3.0), (2.0, 0.05), (0.5, 1.0)):
        moved = max(x1 - 1 - x2, 0) - max(x1 - 1, 0)
        found = of_difference(x1, x2)
        for label in ("integrated gradients", "DeepLIFT"):
            assert found[label] == pytest.approx([0, moved], abs=2e-3), (label, x1, x2)
        assert found["guided backprop"][1] == found["deconvnet"][1] == 0
