"""A file appears whole under its name, or not at all."""

import os
import subprocess
from pathlib import Path

import pytest

from birdnet_cli.core.atomic import MACHINE, append_bytes, folder_beside, replace_atomically, write_bytes_atomically


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")
    return path


def test_a_new_file_takes_the_place_of_the_old_one_and_leaves_no_other(target: Path) -> None:
    write_bytes_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_was_not_there_appears(tmp_path: Path) -> None:
    write_bytes_atomically(tmp_path / "new", b"")
    assert (tmp_path / "new").read_bytes() == b""


def test_the_old_file_is_there_until_the_new_one_is_whole(target: Path) -> None:
    with replace_atomically(target) as temporary:
        temporary.write_bytes(b"half")
        assert target.read_bytes() == b"old"
        temporary.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"


def test_the_temporary_is_a_hidden_sibling_of_this_process(target: Path) -> None:
    with replace_atomically(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.startswith(".")
        assert str(os.getpid()) in temporary.name
        temporary.touch()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_file_and_no_temporary(target: Path, error: type[BaseException]) -> None:
    def write_half() -> None:
        with replace_atomically(target) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_sync_leaves_the_old_file(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError("disk on fire")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk on fire"):
        write_bytes_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_the_file_is_synced_before_it_is_renamed_and_its_directory_after(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bytes]] = []
    monkeypatch.setattr(os, "fsync", lambda number: seen.append((os.fstat(number).st_ino, target.read_bytes())))
    write_bytes_atomically(target, b"new")
    assert seen == [(target.stat().st_ino, b"old"), (target.parent.stat().st_ino, b"new")]


def test_nothing_written_is_an_error_and_not_an_empty_file(target: Path) -> None:
    with pytest.raises(FileNotFoundError), replace_atomically(target):
        pass
    assert target.read_bytes() == b"old"


def test_a_missing_directory_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        write_bytes_atomically(tmp_path / "absent" / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_bytes_atomically(tmp_path / "taken", b"new")
    assert [path.name for path in tmp_path.rglob("*")] == ["taken", "inside"]


def test_the_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes_atomically(tmp_path / "file", b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_what_a_killed_writer_of_this_machine_left_is_removed_and_nothing_else(target: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = {
        "dead": f".{target.name}.{MACHINE}.{dead.pid}.tmp",
        "alive": f".{target.name}.{MACHINE}.{os.getppid()}.tmp",
        "elsewhere": f".{target.name}.another-{MACHINE}.{dead.pid}.tmp",
        "another file": f".x{target.name}.{MACHINE}.{dead.pid}.tmp",
    }
    for name in names.values():
        target.with_name(name).write_bytes(b"half")
    folder = target.with_name(f"{names['dead']}.d")
    folder.mkdir()
    (folder / "half").touch()
    write_bytes_atomically(target, b"new")
    left = {path.name for path in target.parent.iterdir()} - {target.name}
    assert left == {name for what, name in names.items() if what != "dead"}


def test_a_folder_beside_goes_with_what_is_in_it(target: Path) -> None:
    with replace_atomically(target) as temporary:
        with folder_beside(temporary) as folder:
            (folder / "left").touch()
            (folder / "file").write_bytes(b"new")
            (folder / "file").rename(temporary)
        assert not folder.exists()
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device on which no space is left")
def test_an_error_while_appending_names_the_file() -> None:
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        append_bytes(Path("/dev/full"), b"row")
