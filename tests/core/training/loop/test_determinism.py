import os
from collections.abc import Iterator

import pytest
import torch

from birdnet_cli.core.training.loop.determinism import deterministic_algorithms


@pytest.fixture(autouse=True)
def settings_stay(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    yield
    assert (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark) == before


def test_deterministic_algorithms_are_on_inside_the_block_alone() -> None:
    with deterministic_algorithms(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_otherwise_cudnn_measures_its_algorithms() -> None:
    with deterministic_algorithms(False):
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.benchmark
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_settings_come_back_after_an_error() -> None:
    with pytest.raises(RuntimeError, match="stop"), deterministic_algorithms(True):
        raise RuntimeError("stop")


def test_deterministic_algorithms_of_the_caller_stay_on() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        with deterministic_algorithms(False):
            assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
