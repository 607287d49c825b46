import time

import pytest
import torch

from birdnet_cli.core.bench.ops.measure import calls_per_sample, peak_extra_bytes, time_calls

CPU = torch.device("cpu")


def test_the_time_is_that_of_a_call() -> None:
    assert time_calls(lambda: time.sleep(0.02), CPU, calls=3) == pytest.approx(0.02, rel=0.5)


def test_a_short_call_is_repeated_until_a_sample_is_long_enough_and_a_long_call_is_not() -> None:
    assert calls_per_sample(lambda: None, CPU) > 100
    assert calls_per_sample(lambda: time.sleep(0.01), CPU) == 1


def test_extra_memory_is_the_peak_during_the_call() -> None:
    def call() -> int:
        return int(torch.ones(64 << 20, dtype=torch.uint8)[-1])

    extra = peak_extra_bytes(call, CPU)
    if extra is None:
        pytest.skip("needs /proc/self/clear_refs, which this system lacks")
    assert 64e6 < extra < 100e6
