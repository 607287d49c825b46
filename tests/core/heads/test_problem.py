import numpy as np
import pytest
import torch

from birdnet_cli.core.heads.problem import HeadProblem
from birdnet_cli.core.heads.solver import Moments
from birdnet_cli.core.recipe import HeadSettings


def build(array_source, **settings: object) -> HeadProblem:
    moments = Moments(np.zeros(3, np.float32), None)
    labels = torch.tensor([0, 1, 0, 1])
    source = array_source(np.eye(4, 3, dtype=np.float32))
    return HeadProblem(source, labels, 2, HeadSettings(**settings), moments, None, torch.device("cpu"), print)


@pytest.mark.parametrize(("head", "lowest", "highest"), [("svm", 1e-2, 10**2.5), ("softmax", 1.0, 10**4.5)])
def test_the_grid_of_c_is_ten_values_in_steps_of_root_ten_over_the_mean_squared_norm(
    array_source, head, lowest, highest
):
    grid = build(array_source, head=head).grid(mean_squared_norm=4.0)
    assert len(grid) == 10
    assert (grid[0], grid[-1]) == (pytest.approx(lowest / 4), pytest.approx(highest / 4))
    np.testing.assert_allclose(np.diff(np.log10(grid)), 0.5)


def test_a_given_c_is_the_only_value_of_the_grid(array_source):
    assert build(array_source, C=0.7).grid(mean_squared_norm=4.0) == [0.7]


def test_a_stage_reports_its_name_with_the_fraction(array_source, capsys):
    build(array_source).at("kernel")(0.5)
    assert capsys.readouterr().out == "kernel 0.5\n"
