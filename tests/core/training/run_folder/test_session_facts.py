import time

import pytest
import torch

from birdnet_cli.core.data import Sample
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.run_folder.checkpoint_file import Checkpoint
from birdnet_cli.core.training.run_folder.session_facts import environment_facts, opening_line
from birdnet_cli.core.training.setup.holdout import ImageSplit
from tests.core.training.quick import quick_settings

CPU = torch.device("cpu")
ALONE = Processes(CPU)
SAMPLES: tuple[Sample, ...] = tuple([None] * 1200)  # type: ignore[list-item]


def line(images: ImageSplit, processes: Processes = ALONE, before: int | None = None) -> str:
    checkpoint = Checkpoint(7, {}, {"facts": {"world_size": before}}) if before is not None else None
    settings = quick_settings(batch_size=8)
    return opening_line(images, settings, processes, dtype=torch.bfloat16, checkpoint=checkpoint)


@pytest.mark.parametrize(
    ("images", "numbers"),
    [
        (ImageSplit(SAMPLES, SAMPLES[:9], held_out=True), "9 validation images held out of them"),
        (ImageSplit(SAMPLES, SAMPLES[:9], held_out=False), "9 validation images of the data set"),
        (ImageSplit(SAMPLES, (), held_out=False), "no validation images"),
    ],
)
def test_the_first_line_says_where_validation_images_come_from(images: ImageSplit, numbers: str) -> None:
    assert line(images) == f"1,200 training images, {numbers}; 8 per update on cpu in bfloat16, 1 process"


def test_the_first_line_of_a_resumed_run_says_where_it_goes_on() -> None:
    images = ImageSplit(SAMPLES, (), held_out=False)
    assert line(images, before=1).endswith("1 process; going on after step 7")


def test_another_number_of_processes_is_pointed_out() -> None:
    images = ImageSplit(SAMPLES, (), held_out=False)
    assert line(images, Processes(CPU, world_size=2), before=1).endswith(
        "2 processes; going on after step 7 of 1 processes: the same images in the same order, but other roundings"
    )


def test_the_environment_names_device_threads_and_processes() -> None:
    facts = environment_facts(Processes(CPU, world_size=2), torch.float32)
    assert list(facts) == ["started", "software", "device", "threads", "processes", "precision"]
    assert (facts["device"], facts["processes"], facts["precision"]) == ("cpu", 2, "float32")
    assert facts["threads"] == torch.get_num_threads()
    time.strptime(facts["started"], "%Y-%m-%dT%H:%M:%S%z")
