"""Speed and time left, by a clock that the test sets."""

import math

import pytest
import torch

from birdnet_cli.core.training.counters import TrainingCounters, UpdateResult, Validation
from birdnet_cli.core.training.loop import meters as module
from birdnet_cli.core.training.loop.meters import Meters, SpeedMeter, epoch_line, peak_memory
from tests.core.training.quick import quick_settings

CPU = torch.device("cpu")
RESULT = UpdateResult(images=4, loss_sum=2.0, correct=1, grad_norm=1.5, applied=True)
VALIDATION = Validation(images=8, loss=1.25, top1=0.5, top5=0.75, temperature=1.0)


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def test_the_speed_of_an_interval_leaves_out_the_validation(clock: Clock) -> None:
    speed = SpeedMeter(steps_per_epoch=5, total=10)
    speed.start_epoch()
    for _ in range(2):
        clock.now += 1
        speed.count_update(8)
    with speed.validation():
        clock.now += 50
    assert speed.interval() == 8.0
    clock.now += 4
    speed.count_update(8)
    assert speed.interval() == 2.0


def test_an_epoch_starts_without_the_time_before_it(clock: Clock) -> None:
    speed = SpeedMeter(steps_per_epoch=5, total=10)
    clock.now += 1000
    speed.start_epoch()
    clock.now += 2
    speed.count_update(8)
    assert (speed.recent(), speed.interval()) == (4.0, 4.0)


def test_the_recent_speed_is_that_of_the_last_20_updates(clock: Clock) -> None:
    speed = SpeedMeter(steps_per_epoch=50, total=50)
    speed.start_epoch()
    for seconds in [10] * 15 + [0.5] * 20:
        clock.now += seconds
        speed.count_update(8)
    assert speed.recent() == 16.0


def test_the_time_left_counts_updates_and_validations(clock: Clock) -> None:
    speed = SpeedMeter(steps_per_epoch=5, total=15)
    speed.start_epoch()
    assert speed.seconds_left(0) == 0.0
    for _ in range(2):
        clock.now += 3
        speed.count_update(8)
    with speed.validation():
        clock.now += 7
    # 8 updates of 3 s, and the validations of the second and third epoch.
    assert speed.seconds_left(7) == 8 * 3 + 2 * 7


def test_a_row_has_the_means_and_rates_of_its_interval() -> None:
    meters = Meters(quick_settings(lr=0.5, backbone_lr=0.25), steps_per_epoch=5, device=CPU)
    counters = TrainingCounters(rate_factor=0.5)
    counters.count(RESULT)
    row = meters.row(counters, epoch=1, validation=VALIDATION)
    assert (row.step, row.lr, row.backbone_lr, row.loss, row.top1, row.grad_norm) == (1, 0.25, 0.125, 0.5, 0.25, 1.5)
    assert (row.val_loss, row.val_top1, row.val_top5) == (1.25, 0.5, 0.75)
    assert meters.row(counters, epoch=1, validation=None).val_loss is None


def test_the_status_counts_all_updates_of_the_training(clock: Clock) -> None:
    meters = Meters(quick_settings(epochs=3, lr=0.5), steps_per_epoch=5, device=CPU)
    meters.speed.start_epoch()
    counters = TrainingCounters(step=6, rate_factor=0.5)
    counters.count(RESULT)
    clock.now += 2
    meters.speed.count_update(4)
    status = meters.status(counters, epoch=2, logged=True)
    assert (status.epoch, status.epochs, status.step, status.steps, status.logged) == (2, 3, 7, 15, True)
    assert (status.loss, status.lr, status.images_per_second, status.seconds_left) == (0.5, 0.25, 2.0, 16.0)


def test_an_epoch_s_line_sums_up_training_and_validation() -> None:
    meters = Meters(quick_settings(epochs=3), steps_per_epoch=5, device=CPU)
    counters = TrainingCounters(best_epoch=2)
    counters.count(RESULT)
    line = epoch_line(counters, meters.row(counters, epoch=2, validation=VALIDATION), epochs=3)
    assert line.startswith(
        "epoch 2 of 3: loss 0.5000, top-1 25.00%, validation loss 1.2500, top-1 50.00% (best so far), 0.0 images/s, "
    )
    line = epoch_line(counters, meters.row(counters, epoch=3, validation=None), epochs=3)
    assert line.startswith("epoch 3 of 3: loss 0.5000, top-1 25.00%, 0.0 images/s, ")


def test_the_peak_memory_of_a_process_is_in_bytes() -> None:
    # A process that has imported torch has taken between 50 MB and 50 GB.
    assert 7.6 < math.log10(peak_memory(CPU)) < 10.7
