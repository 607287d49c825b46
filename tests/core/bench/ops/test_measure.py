import math
import time

import pytest
import torch

from birdnet_cli.core.bench.ops import measure

CPU = torch.device("cpu")


def test_the_time_is_that_of_a_call() -> None:
    assert measure.time_calls(lambda: time.sleep(0.02), CPU, calls=3) == pytest.approx(0.02, rel=0.5)


@pytest.mark.skipif(not measure.Path("/proc/self/clear_refs").exists(), reason="needs Linux, whose /proc tells memory")
def test_peak_memory_counts_what_a_call_frees_again() -> None:
    def call() -> torch.Tensor:
        large = torch.ones(2**23)  # 32 MiB
        return large[: 2**20].clone()  # 4 MiB

    call()
    extra = measure.peak_extra_bytes(call, CPU)
    assert extra is not None
    assert extra + 2**20 >= 36 * 2**20
    assert extra < 48 * 2**20


def test_a_short_call_is_repeated_until_a_sample_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "SAMPLE_SECONDS", 5e-3)
    monkeypatch.setattr(measure, "time_calls", lambda *_, calls: 1e-4)
    assert measure.calls_per_sample(lambda: None, CPU) == math.ceil(5e-3 / 1e-4)
