"""Tensor files: whole or not at all, as open as other files, and known by their hash."""

import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from birdnet_cli.core import tensor_file
from birdnet_cli.core.atomic import MACHINE
from birdnet_cli.core.tensor_file import write_tensors


def test_tensors_come_back_whatever_their_layout(tmp_path: Path) -> None:
    target = tmp_path / "a.safetensors"
    turned = torch.arange(6.0).view(2, 3).mT.requires_grad_()
    digest = write_tensors(target, {"a": turned})
    assert torch.equal(load_file(target)["a"], turned)
    assert digest == hashlib.sha256(target.read_bytes()).hexdigest()
    other = tmp_path / "other"
    other.touch()
    assert target.stat().st_mode == other.stat().st_mode


def test_what_the_library_writes_first_lies_in_a_folder_that_says_whose_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def save(tensors: dict[str, torch.Tensor], path: Path, **more: object) -> None:
        seen.append(path)
        save_file(tensors, path, **more)

    monkeypatch.setattr(tensor_file, "save_file", save)
    write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(1)})
    assert seen[0].parent.parent == tmp_path
    assert seen[0].parent.name.startswith(f".a.safetensors.{MACHINE}.{os.getpid()}.")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_refusal_is_an_os_error_and_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.safetensors"
    target.write_bytes(b"before")

    def refuse(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr(tensor_file, "save_file", refuse)
    with pytest.raises(OSError, match=r"a\.safetensors: cannot be written: I/O error: No space left on device"):
        write_tensors(target, {"a": torch.zeros(1)})
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
    assert target.read_bytes() == b"before"
