"""Longer runs: each ships what it found; a broken one keeps what it finished, and never leaves half a table."""
import pandas as pd
import pytest
from typer.testing import CliRunner

from xaikit import cli, home, studies


@pytest.fixture
def counting(tmp_path, monkeypatch):
    """A study of three rows that is interrupted before its last one, once."""
    worked = []

    def make(folder, progress):
        """Count to three."""
        for k in range(3):
            if (folder / f"{k}").exists():
                continue
            if k == 2 and worked == [0, 1]:
                worked.append("cut")
                raise KeyboardInterrupt
            worked.append(k)
            (folder / f"{k}").write_text("1")
        return pd.DataFrame({"k": range(3), "value": [0.1, 1 / 3, 2.0]})

    studies.registered()  # all of them loaded, so that this one is alone in what the fixture adds
    monkeypatch.setenv("XAIKIT_HOME", str(tmp_path))
    monkeypatch.setattr(studies, "_STUDIES", {**studies._STUDIES, "99/count": studies.Study("99/count", 1, make)})
    return worked


def test_an_interrupted_study_goes_on_where_it_stopped(counting, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        studies.run("99/count", progress=False)
    with pytest.raises(FileNotFoundError, match="xaikit run 99/count --full"):
        studies.table("99/count")
    path = studies.run("99/count", progress=False)
    assert counting == [0, 1, "cut", 2]
    assert path == tmp_path / "data" / "studies" / "99-count.csv" and list(path.parent.iterdir()) == [path]
    assert studies.table("99/count").value.tolist() == pytest.approx([0.1, 1 / 3, 2.0], rel=1e-5)
    assert not list((tmp_path / "build" / "studies").iterdir())


def test_the_command_says_what_it_would_do_and_does_it_only_in_full(counting, tmp_path):
    say = CliRunner().invoke(cli.app, ["run", "99"])
    assert say.exit_code == 0 and "99/count: Count to three. (1 minutes on two cores)" in say.output
    assert not (tmp_path / "data").exists() and counting == []
    counting.append("already cut once")
    done = CliRunner().invoke(cli.app, ["run", "99/count", "--full"])
    assert done.exit_code == 0 and "99-count.csv" in done.output and len(studies.table("99/count")) == 3


@pytest.mark.parametrize("name, words", [("42", "no longer run"), ("99/other", "99/count")])
def test_an_unknown_study_names_those_there_are(counting, name, words):
    said = CliRunner().invoke(cli.app, ["run", name])
    assert said.exit_code == 1 and words in said.output


def test_every_study_ships_its_table():
    for each in studies.registered():
        rows = studies.table(each.name)
        assert len(rows) and not rows.isna().all().any(), each.name
        assert each.what.endswith(".") and each.minutes > 0


def test_the_readme_of_data_names_every_table():
    told = (home() / "data" / "README.md").read_text()
    assert not [study.name for study in studies.registered() if f"`{study.file.stem}`" not in told]
