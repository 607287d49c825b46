"""Cleaning the store: everything that fbn wrote, and nothing else."""

import os
import time
from pathlib import Path

import pytest

from birdnet_cli.core.ops.native import clean_store, obtain_library, plan_build, read_sources, store_folder
from birdnet_cli.core.ops.native.folders import temporary_sibling


def temporary_folder(store: Path, *, age: float) -> Path:
    path = store / f".{'a' * 64}.{'b' * 32}.tmp"
    (path / "work").mkdir(parents=True)
    past = time.time() - age
    os.utime(path, (past, past))
    return path


def test_the_store_is_below_the_folder_that_the_variable_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FBN_CACHE_DIR", str(tmp_path))
    assert store_folder() == tmp_path / "ops"


def test_without_the_variable_the_store_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FBN_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store_folder() == tmp_path / "fbn" / "ops"


def test_cleaning_counts_and_removes_libraries(csrc: Path, store: Path, compiler: str) -> None:
    sources = read_sources("cpu", csrc)
    assert sources is not None
    library = obtain_library(plan_build(sources), lambda _: None)
    size = sum(path.stat().st_size for path in library.path.parent.iterdir())
    assert clean_store() == (1, size)
    assert not store.exists()


def test_cleaning_leaves_what_fbn_did_not_write(store: Path) -> None:
    (store / "mine").mkdir(parents=True)
    (store / ("0" * 64)).write_text("a file, not a folder")
    assert clean_store() == (0, 0)
    assert sorted(path.name for path in store.iterdir()) == ["0" * 64, "mine"]


def test_cleaning_a_store_that_is_not_there_does_nothing() -> None:
    assert clean_store() == (0, 0)


def test_a_folder_whose_builder_is_dead_goes_when_it_is_a_minute_old(store: Path) -> None:
    young = temporary_folder(store, age=10)
    clean_store()
    assert young.is_dir()
    past = time.time() - 70
    os.utime(young, (past, past))
    clean_store()
    assert not store.exists()


def test_a_folder_whose_builder_lives_stays_for_a_day(store: Path) -> None:
    store.mkdir(parents=True)
    with temporary_sibling(store / ("a" * 64)) as busy:
        for age, stays in ((3600, True), (100_000, False)):
            past = time.time() - age
            os.utime(busy, (past, past))
            clean_store()
            assert busy.is_dir() == stays
