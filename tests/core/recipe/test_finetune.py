"""Milestones that are given imply their schedule, in Python, recipes, flags and `--set` alike."""

from pathlib import Path

import pytest

from birdnet_cli.core.recipe import FinetuneSettings, resolve_settings


def test_milestones_without_a_schedule_imply_it() -> None:
    settings = FinetuneSettings(milestones=(5, 8))
    assert settings.sched == "milestones"
    assert settings.model_fields_set == {"milestones", "sched"}


@pytest.mark.parametrize("milestones", ["", (), []])
def test_no_milestones_imply_nothing(milestones: object) -> None:
    assert FinetuneSettings.model_validate({"milestones": milestones}).sched == "cosine"


def test_a_schedule_that_is_given_stays() -> None:
    assert FinetuneSettings(milestones=(5,), sched="cosine").sched == "cosine"


@pytest.mark.parametrize(
    ("flags", "overrides"), [({"milestones": "5,8"}, []), ({}, ["finetune.milestones=5,8"])], ids=["flags", "set"]
)
def test_milestones_given_later_imply_their_schedule_against_a_recipe(
    tmp_path: Path, flags: dict[str, str], overrides: list[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("finetune: {sched: cosine}")
    settings = resolve_settings(
        FinetuneSettings, section="finetune", recipe=str(path), flags=flags, overrides=overrides
    )
    assert (settings.sched, settings.milestones) == ("milestones", (5, 8))


def test_a_schedule_given_later_beats_the_schedule_that_a_recipe_implies(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("finetune: {milestones: [5, 8]}")
    settings = resolve_settings(FinetuneSettings, section="finetune", recipe=str(path), flags={"sched": "constant"})
    assert settings.sched == "constant"
