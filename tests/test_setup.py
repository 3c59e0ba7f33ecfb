"""The set-up: one list of dependencies, a lock with hashes and no addresses, a conda file that says the same."""
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
LOCK = (ROOT / "requirements.lock").read_text()


def locked():
    return {m[1].lower(): m[2] for m in re.finditer(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", LOCK, re.M)}


def test_the_lock_has_hashes_and_no_addresses():
    assert "://" not in LOCK and "index-url" not in LOCK
    blocks = re.split(r"^(?=[A-Za-z0-9_.-]+==)", LOCK, flags=re.M)[1:]
    assert len(blocks) > 100
    assert [b.split()[0] for b in blocks if "--hash=sha256:" not in b] == []


def test_everything_that_is_declared_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    names = {re.match(r"[A-Za-z0-9_.-]+", w)[0].lower() for w in wanted}
    assert names - set(locked()) == set()
    assert {"jupyterlab", "ipywidgets", "torch", "torchvision", "matplotlib", "scikit-learn", "nbval", "jupytext"} <= names


def test_the_conda_environment_installs_the_lock(tmp_path):
    """Its pip part, into a fresh virtual environment, with the check of the hashes on."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip_part = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert "python=3.11" in environment["dependencies"] and "pip" in environment["dependencies"]
    requirements = tmp_path / "pip-part.txt"
    requirements.write_text("\n".join(line.replace("requirements.lock", str(ROOT / "requirements.lock")) for line in pip_part))
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([*uv, "pip", "install", "--quiet", "--require-hashes", "--python", python, "-r", str(requirements)], check=True)
    subprocess.run([*uv, "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--python", python, str(ROOT)],
                   check=True)
    versions = subprocess.run([python, "-c", "import torch, torchvision, sklearn, jupyterlab, xaikit; print(torch.__version__)"],
                              capture_output=True, text=True, cwd=tmp_path)
    assert versions.stdout.startswith(locked()["torch"]), versions.stderr


def test_make_knows_the_commands_of_the_readme():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"\bmake ([a-z]+)", readme))
    assert {"lab", "test"} <= named <= targets
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_every_command_of_the_readme_exists():
    text = (ROOT / "README.md").read_text()
    helped = subprocess.run([sys.executable, "-m", "xaikit", "--help"], capture_output=True, text=True).stdout
    named = set(re.findall(r"`xaikit ([a-z]+)", text))
    assert {"lab", "doctor", "demo", "build", "check", "grade", "train"} <= set(re.findall(r"│ ([a-z]+) ", helped))
    assert named <= set(re.findall(r"│ ([a-z]+) ", helped))


def test_importing_the_package_is_light():
    code = "import sys, xaikit; print([m for m in ('torch', 'numpy', 'matplotlib', 'ipywidgets') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_doctor_has_a_line_for_everything():
    from xaikit.classroom import doctor

    lines = list(doctor.examine(ROOT))
    named = {line.what for line in lines}
    assert {"Python", "torch", "free memory", "free disk", "kernel python3", "weights digits-cnn", "optional squeezenet1_1",
            "optional MNIST", "browser"} <= named
    assert [line for line in lines if not line.ok and line.what != "browser"] == []


def test_the_doctor_says_how_to_mend_what_is_broken(monkeypatch, capsys):
    from xaikit import zoo
    from xaikit.classroom import doctor
    from xaikit.errors import DamagedFile

    def broken(name):
        raise DamagedFile(f"{name}.safetensors is truncated")

    monkeypatch.setattr(zoo, "load", broken)
    assert doctor.main(ROOT) == 1
    out = capsys.readouterr().out
    assert "FAIL  weights digits-cnn" in out and "truncated" in out and "fix: " in out


@pytest.mark.parametrize("arguments", [["demo", "99"], ["lab", "99"], ["train", "digits-cn"], ["grade", "no/such/folder"]])
def test_a_wrong_argument_gets_one_clear_line(arguments):
    run = subprocess.run([sys.executable, "-m", "xaikit", *arguments], capture_output=True, text=True, timeout=120)
    assert run.returncode == 1 and run.stderr.startswith("error: ") and "Traceback" not in run.stderr
