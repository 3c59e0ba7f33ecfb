"""The second half of the student notebooks without a network: a file of its own, so that two workers share them."""
import pytest
from test_offline import LATER, check_notebook


@pytest.mark.parametrize("path", LATER, ids=lambda p: p.stem)
def test_a_student_notebook_with_nothing_answered_runs_to_its_end(path, tmp_path):
    check_notebook(path, tmp_path)
