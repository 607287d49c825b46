"""Settings completed from a run, a model file or a network, and refused where they contradict each other."""

from pathlib import Path
from typing import Any

import pytest

from birdnet_cli.core.errors import CheckpointError, UsageError
from birdnet_cli.core.model import ModelDescription
from birdnet_cli.core.recipe import FinetuneSettings, MapHeadSettings, TransformSettings
from birdnet_cli.core.training.run_folder.run_directory import RunDirectory
from birdnet_cli.core.training.setup.settings import (
    adopt_model_settings,
    check_schedule,
    complete_settings,
    merge_resumed_settings,
)

HEADER = ModelDescription(
    ("auk", "crane"),
    {"backbone": "vgg19", "layer": "conv5_4"},
    TransformSettings(image_size=448),
    False,
    None,
    {"head": "fb", "map": MapHeadSettings(name="fb", norm=True, factors=7, drop_prob=0.25).model_dump()},
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with five epochs of a constant rate and the seed 3."""
    directory = RunDirectory.open(tmp_path / "run", resume=False, overwrite=False)
    directory.begin(FinetuneSettings(epochs=5, sched="constant", seed=3), data="birds")
    directory.close()
    return tmp_path / "run"


def test_a_resumed_run_keeps_its_settings_and_takes_those_that_do_not_change_what_is_learned(run: Path) -> None:
    asked = FinetuneSettings(seed=3, workers=2, epochs=9, log_steps=7)
    settings = complete_settings(asked, output=run, resume=True)
    assert (settings.seed, settings.workers, settings.epochs, settings.log_steps) == (3, 2, 9, 7)
    assert settings.sched == "constant"


def test_settings_of_a_resumed_run_that_differ_are_all_named(run: Path) -> None:
    asked = FinetuneSettings(seed=4, batch_size=3)
    with pytest.raises(CheckpointError, match=r"seed \(3, asked for: 4\)") as caught:
        merge_resumed_settings(run / "config.yaml", asked)
    assert "batch_size (16, asked for: 3)" in str(caught.value)


def test_the_settings_of_a_model_file_complete_those_given() -> None:
    settings = adopt_model_settings(FinetuneSettings(init_from="m"), HEADER)
    assert (settings.backbone, settings.layer, settings.image_size) == ("vgg19", "conv5_4", 448)
    assert (settings.head, settings.factors, settings.drop_factor) == ("fb", 7, 0.25)


def test_the_image_size_may_differ_from_the_model_file_s() -> None:
    assert adopt_model_settings(FinetuneSettings(init_from="m", image_size=224), HEADER).image_size == 224


def test_another_head_than_the_model_file_s_is_refused_unless_a_new_head_is_asked_for() -> None:
    with pytest.raises(UsageError, match="m: its head is 'fb', but 'fc' was asked for: leave it out, or start another"):
        adopt_model_settings(FinetuneSettings(init_from="m", head="fc"), HEADER)
    settings = adopt_model_settings(FinetuneSettings(init_from="m", head="fc", init_head=False), HEADER)
    assert (settings.head, settings.backbone) == ("fc", "vgg19")


def test_a_network_s_image_size_and_factors_are_those_it_was_published_with(tmp_path: Path) -> None:
    settings = complete_settings(FinetuneSettings(network="resnet164"), output=tmp_path, resume=False)
    assert (settings.image_size, settings.factors) == (32, 20)
    given = complete_settings(FinetuneSettings(network="resnet164", factors=3), output=tmp_path, resume=False)
    assert (given.image_size, given.factors) == (32, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warmup_epochs": 1, "slow_start_epochs": 3}, "both raise the rates"),
        ({"sched": "cosine", "milestones": (1,)}, "belongs to finetune.sched: milestones, not to 'cosine'"),
        ({"sched": "milestones"}, "needs finetune.milestones, such as 50,75"),
        ({"sched": "milestones", "milestones": (3, 1)}, r"must rise, got \(3.0, 1.0\)"),
        ({"warmup_epochs": 1, "warmup": "constant"}, "set it above 0"),
    ],
)
def test_a_schedule_whose_settings_contradict_each_other_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_schedule(FinetuneSettings.model_validate(settings))
