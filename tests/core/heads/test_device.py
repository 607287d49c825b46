"""Heads solved on a GPU equal those solved on the CPU."""

import pytest
import torch

from birdnet_cli.core.heads import fit_head
from birdnet_cli.core.recipe import HeadSettings


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("solver", ["exact", "streamed"])
@pytest.mark.parametrize("dim", [20, 300])
@pytest.mark.parametrize("head", ["ridge", "softmax", "svm"])
def test_a_gpu_solves_for_the_same_head(array_source, make_problem, monkeypatch, head, dim, solver):
    monkeypatch.setattr("birdnet_cli.core.heads.solver.streamed_blocks.BLOCK_ROWS", 40)
    x, y = make_problem(120, dim, 3)
    settings = HeadSettings(head=head, solver=solver, cv=3)

    here, there = (
        fit_head(array_source(x), y, num_classes=3, settings=settings, standardize=True, device=torch.device(device))
        for device in ("cpu", "cuda")
    )

    assert there.weight.device.type == there.bias.device.type == "cpu"
    assert abs(there.C / here.C - 1) <= 1e-5
    torch.testing.assert_close(there.weight, here.weight, rtol=0, atol=1e-2 * here.weight.abs().max().item())
    assert there.temperature == pytest.approx(here.temperature, rel=1e-2)
