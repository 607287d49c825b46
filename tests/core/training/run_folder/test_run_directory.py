from pathlib import Path

import pytest
import yaml

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import FinetuneSettings, resolve_settings
from birdnet_cli.core.training.run_folder import run_directory
from birdnet_cli.core.training.run_folder.run_directory import RunDirectory


def started(path: Path, **settings: object) -> None:
    run = RunDirectory.open(path, resume=False, overwrite=False)
    run.begin(FinetuneSettings.model_validate(settings), data="data")
    run.close()


def test_a_folder_with_a_run_is_refused_without_resume_or_overwrite(tmp_path: Path) -> None:
    started(tmp_path / "run")
    with pytest.raises(UsageError, match="run: holds a run already; continue it with --resume, replace it with --over"):
        RunDirectory.open(tmp_path / "run", resume=False, overwrite=False)


def test_an_empty_folder_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    started(tmp_path / "run")
    assert (tmp_path / "run" / "config.yaml").is_file()


def test_a_folder_of_other_things_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"holds files but no run of fbn \(thesis.tex, …\)"):
            RunDirectory.open(tmp_path, resume=False, overwrite=overwrite)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.tex"]


def test_overwriting_removes_the_files_of_a_run_alone(tmp_path: Path) -> None:
    started(tmp_path, seed=1)
    (tmp_path / "checkpoints").mkdir()
    for name in ("metrics.csv", "best.safetensors", "notes.txt", "checkpoints/step-1.json"):
        (tmp_path / name).write_text("old")
    run = RunDirectory.open(tmp_path, resume=False, overwrite=True)
    assert (tmp_path / "best.safetensors").exists()
    run.begin(FinetuneSettings(seed=2), data="data")
    run.close()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".lock") == ["config.yaml", "notes.txt"]
    assert "seed: 2" in (tmp_path / "config.yaml").read_text()


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no run to resume: it has no config.yaml"):
        RunDirectory.open(tmp_path / "run", resume=True, overwrite=False)


def test_resuming_and_overwriting_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        RunDirectory.open(tmp_path / "run", resume=True, overwrite=True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UsageError, match="expected a folder for the run, found a file"):
        RunDirectory.open(tmp_path / "run", resume=False, overwrite=True)


def test_two_trainings_never_share_a_folder(tmp_path: Path) -> None:
    first = RunDirectory.open(tmp_path / "run", resume=False, overwrite=False)
    with pytest.raises(UsageError, match="another process trains here"):
        RunDirectory.open(tmp_path / "run", resume=False, overwrite=False)
    first.close()
    RunDirectory.open(tmp_path / "run", resume=False, overwrite=False).close()


def test_the_settings_are_a_recipe_that_gives_the_same_settings(tmp_path: Path) -> None:
    settings = FinetuneSettings(lr=1e-4, sched="milestones", milestones=(1.5, 2), backbone_lr=None, clip_grad=1e-5)
    run = RunDirectory.open(tmp_path, resume=False, overwrite=False)
    run.begin(settings, data="my data")
    run.close()
    text = (tmp_path / "config.yaml").read_text()
    assert text.splitlines()[1] == "#   fbn finetune 'my data' --recipe config.yaml -o FOLDER"
    assert resolve_settings(FinetuneSettings, section="finetune", recipe=str(tmp_path / "config.yaml")) == settings
    assert yaml.safe_load(text)["finetune"].keys() == FinetuneSettings.model_fields.keys()


def test_the_environment_has_one_entry_per_session(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_environment({"device": "cpu"})
    run.write_environment({"device": "cuda"})
    assert yaml.safe_load((tmp_path / "env.json").read_text()) == [{"device": "cpu"}, {"device": "cuda"}]


def test_a_folder_in_which_a_run_was_killed_before_its_first_file_is_accepted(tmp_path: Path) -> None:
    (tmp_path / ".config.yaml.host.1.tmp").write_bytes(b"finetu")
    RunDirectory.open(tmp_path, resume=False, overwrite=False).close()


def test_an_overwriting_run_that_is_killed_leaves_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    first = RunDirectory.open(tmp_path, resume=False, overwrite=False)
    first.begin(FinetuneSettings(), data="birds")
    first.close()
    second = RunDirectory.open(tmp_path, resume=False, overwrite=True)
    monkeypatch.setattr(run_directory, "write_bytes_atomically", kill)
    with pytest.raises(KeyboardInterrupt):
        second.begin(FinetuneSettings(), data="birds")
    second.close()
    RunDirectory.open(tmp_path, resume=False, overwrite=True).close()


def test_a_lock_that_the_disk_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(run_directory.filelock.FileLock, "acquire", refuse)
    with pytest.raises(OSError, match=r"Input/output error: '.*run/\.lock'"):
        RunDirectory.open(tmp_path / "run", resume=False, overwrite=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device without space")
def test_a_line_that_the_disk_refuses_names_the_log(tmp_path: Path) -> None:
    (tmp_path / "log.txt").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '.*log\.txt'"):
        RunDirectory(tmp_path).log("epoch 1")
