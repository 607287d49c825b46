import shutil
from collections import namedtuple

import pytest

from birdnet_cli.core.cache import Parts, estimate_space
from birdnet_cli.core.cache.layout import parts_directory
from birdnet_cli.core.errors import CacheError

Usage = namedtuple("Usage", ["total", "used", "free"])


def test_the_estimate_is_a_tenth_above_what_is_written(extraction, tmp_path):
    out = tmp_path / "feats.h5"
    final = {**extraction.plan.descriptors, "chosen": 5}
    estimate = estimate_space(extraction.plan, final=final)
    with Parts.open(out, extraction.plan) as parts:
        extraction.write(parts)
        written = sum(path.stat().st_size for path in parts_directory(out).glob("shard-*"))
    assert written < estimate.parts < 1.3 * written
    assert extraction.run(out).stat().st_size < estimate.final < 1.3 * out.stat().st_size
    assert estimate.peak == estimate.parts + estimate.final


def test_too_little_room_is_refused_before_anything_is_written(extraction, tmp_path, monkeypatch):
    final = {"max": 40}
    estimate = estimate_space(extraction.plan, final=final)
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, estimate.peak - 1))
        with pytest.raises(CacheError, match=r"feats\.h5: \d+\.\d\d MB needed, \d+\.\d\d MB free: make room"):
            parts.require_space(final)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, estimate.peak))
        parts.require_space(final)


def test_finished_shards_need_no_more_room(extraction, tmp_path, monkeypatch):
    final = {"max": 40}
    estimate = estimate_space(extraction.plan, final=final)
    with Parts.open(tmp_path / "feats.h5", extraction.plan) as parts:
        extraction.write(parts, [0, 1])
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, estimate.parts // 3 + estimate.final + 1))
        parts.require_space(final)


def test_the_finished_file_is_not_begun_without_room_for_it(extraction, tmp_path, monkeypatch):
    out = tmp_path / "feats.h5"
    with Parts.open(out, extraction.plan) as parts:
        extraction.write(parts)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, 1000))
    with pytest.raises(CacheError, match=r"needed, 0\.00 MB free"):
        extraction.run(out)
    monkeypatch.undo()
    extraction.run(out)
