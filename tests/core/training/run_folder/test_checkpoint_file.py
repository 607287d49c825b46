"""Checkpoint files: written atomically, the last two kept, damage found, no code executed."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.errors import CheckpointError
from birdnet_cli.core.training.run_folder import checkpoint_file as module
from birdnet_cli.core.training.run_folder.checkpoint_file import (
    Checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)


def checkpoint(step: int) -> Checkpoint:
    tensors = {"model.w": torch.arange(4.0) + step, "optimizer.w.step": torch.tensor(float(step))}
    return Checkpoint(step, tensors, {"state": {"loss": 0.1 + 0.2, "best": None}, "facts": {"data": "ü"}})


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints of the steps 1, 2 and 3, of which the last two are kept."""
    for step in (1, 2, 3):
        save_checkpoint(tmp_path / "checkpoints", checkpoint(step))
    return tmp_path / "checkpoints"


def test_a_saved_checkpoint_comes_back_bit_for_bit(folder: Path) -> None:
    found, notices = load_checkpoint(folder)
    assert found is not None
    assert (found.step, found.document, notices) == (3, checkpoint(3).document, [])
    assert all(torch.equal(found.tensors[key], value) for key, value in checkpoint(3).tensors.items())


def test_the_last_two_are_kept(folder: Path) -> None:
    assert files(folder) == [f"step-0000000{step}.{suffix}" for step in (2, 3) for suffix in ("json", "safetensors")]


def test_a_folder_without_a_checkpoint_has_none(tmp_path: Path) -> None:
    found, notices = load_checkpoint(tmp_path / "checkpoints")
    assert found is None
    assert notices == ["no checkpoint was saved before the run ended: the training starts from the beginning"]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def declare_a_huge_header(path: Path) -> None:
    path.write_bytes((2**63).to_bytes(8, "little") + path.read_bytes()[8:])


DAMAGE = [truncate, flip, empty, declare_a_huge_header, Path.unlink]


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_damaged_newest_gives_way_to_the_one_before(
    folder: Path, damage: Callable[[Path], object], suffix: str
) -> None:
    damage(folder / f"step-00000003.{suffix}")
    found, notices = load_checkpoint(folder)
    assert found is not None
    assert found.step == 2
    if (suffix, damage) != ("json", Path.unlink):
        assert f"step-00000003.{suffix}: " in notices[0]
        assert notices[0].endswith("; going on from step 2")


def test_a_changed_number_in_the_document_is_found(folder: Path) -> None:
    path = folder / "step-00000003.json"
    path.write_text(path.read_text().replace("0.30000000000000004", "0.5"))
    found, notices = load_checkpoint(folder)
    assert found is not None
    assert found.step == 2
    assert "does not match its digest" in notices[0]


def test_a_folder_of_damaged_checkpoints_names_every_reason(folder: Path) -> None:
    empty(folder / "step-00000003.json")
    truncate(folder / "step-00000002.safetensors")
    with pytest.raises(CheckpointError, match=r"step-00000003.json: damaged.*step-00000002.safetensors: damaged"):
        load_checkpoint(folder)


class Spy:
    """Unpickled, it would leave a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_is_refused_and_not_run(folder: Path, tmp_path: Path) -> None:
    for name in ("step-00000003.json", "step-00000003.safetensors"):
        (folder / name).write_bytes(pickle.dumps(Spy(tmp_path / "executed")))
    found, _ = load_checkpoint(folder)
    assert found is not None
    assert found.step == 2
    assert not (tmp_path / "executed").exists()


def test_another_format_is_refused(folder: Path) -> None:
    path = folder / "step-00000003.json"
    content = json.loads(path.read_text())
    del content["sha256"]
    content["format"] = 99
    path.write_text(json.dumps(content | {"sha256": module._digest(content)}))
    _, notices = load_checkpoint(folder)
    assert "checkpoint format 99; this fbn reads 1" in notices[0]


class Killed(BaseException):
    """Takes the place of SIGKILL: only this test catches it."""


@pytest.mark.parametrize("survived", range(12))
def test_a_save_cut_off_at_any_file_operation_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    folder = tmp_path / "checkpoints"
    for step in (1, 2):
        save_checkpoint(folder, checkpoint(step))
    left = survived

    def count(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def operation(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed(name)
            return real(*arguments, **options)

        return operation

    with monkeypatch.context() as patch:
        for owner, name in ((Path, "replace"), (Path, "write_bytes"), (Path, "unlink"), (os, "fsync"), (os, "open")):
            patch.setattr(owner, name, count(name, getattr(owner, name)))
        try:
            save_checkpoint(folder, checkpoint(3))
            finished = True
        except Killed:
            finished = False
    found, _ = load_checkpoint(folder)
    assert found is not None
    assert found.step == 3 if finished else found.step in (2, 3)
    assert torch.equal(found.tensors["model.w"], checkpoint(found.step).tensors["model.w"])
    save_checkpoint(folder, checkpoint(4))
    assert all(name.startswith("step-") for name in files(folder))
    assert len(files(folder)) == 4


def test_a_checkpoint_saved_again_and_cut_off_is_gone_rather_than_damaged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_bytes_atomically", kill)
        with pytest.raises(Killed):
            save_checkpoint(folder, checkpoint(3))
    found, notices = load_checkpoint(folder)
    assert found is not None
    assert (found.step, notices) == (2, [])


def test_pruning_removes_unfinished_files_and_keeps_the_last_two(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, checkpoint(step))
    kept = {path.name for path in tmp_path.iterdir()}
    (tmp_path / "step-00000000.safetensors").write_bytes(b"")
    (tmp_path / ".step-00000003.json.1.tmp").write_bytes(b"")
    (tmp_path / ".step-00000003.safetensors.1.tmp.d").mkdir()
    prune_checkpoints(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept
