"""The audit of a cache: every planted flaw is found by name, from the descriptors alone."""

from pathlib import Path

import pytest

from birdnet_cli.core.engine.audit import Audit, audit_cache
from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.progress import SilentProgress
from birdnet_cli.core.recipe import HeadSettings


@pytest.fixture(scope="module")
def audit(flawed: tuple[Path, Path]) -> Audit:
    return audit_cache(flawed[1], pooling="bilinear", near=0.97)


def found(audit: Audit, kind: str) -> list[dict[str, object]]:
    return [row for row in audit.to_rows() if row["kind"] == kind]


def test_a_wrong_label_has_the_highest_score_and_the_true_class_as_suggestion(audit: Audit) -> None:
    first = found(audit, "label")[0]
    assert (first["path"], first["label"], first["suggestion"]) == ("train/rings/wrong.png", "rings", "stripes")
    assert len(found(audit, "label")) <= 3
    assert audit.accuracy is not None
    assert audit.accuracy > 0.9


def test_a_copy_is_a_duplicate_and_nothing_else(audit: Audit) -> None:
    (copy,) = found(audit, "duplicate")
    assert (copy["path"], copy["other"], copy["score"]) == ("train/checks/copy.png", "train/checks/001.png", 1.0)
    assert "train/checks/copy.png" not in [row["path"] for row in found(audit, "near-duplicate")]


def test_a_brightened_picture_in_another_split_is_a_near_duplicate(audit: Audit) -> None:
    pairs = [{row["path"], row["other"]} for row in found(audit, "near-duplicate")]
    assert {"test/stripes/near.png", "train/stripes/005.png"} in pairs
    row = next(row for row in found(audit, "near-duplicate") if row["other"] == "test/stripes/near.png")
    assert (row["split"], row["other_split"]) == ("train", "test")


def test_a_picture_of_noise_is_an_outlier(audit: Audit) -> None:
    assert "train/checks/noise.png" in [row["path"] for row in found(audit, "outlier")]


def test_findings_come_kind_by_kind_by_falling_score(audit: Audit) -> None:
    kinds = [finding.kind for finding in audit.findings]
    assert kinds == sorted(kinds, key=["label", "duplicate", "near-duplicate", "outlier"].index)
    for kind in set(kinds):
        scores = [finding.score for finding in audit.findings if finding.kind == kind]
        assert scores == sorted(scores, reverse=True)
    assert audit.counts() == {kind: kinds.count(kind) for kind in audit.counts()}


def test_an_image_that_could_not_be_read_is_named_and_compared_with_nothing(audit: Audit) -> None:
    (line,) = audit.unreadable
    assert line.startswith("train/rings/bad.png: ")
    assert all("bad.png" not in f"{row['path']}{row['other']}" for row in audit.to_rows())


def test_labels_are_left_unjudged_with_a_note_where_the_solver_would_stream(flawed: tuple[Path, Path]) -> None:
    notes: list[str] = []

    class Listening(SilentProgress):
        def note(self, text: str) -> None:
            notes.append(text)

    audit = audit_cache(flawed[1], pooling="max", settings=HeadSettings(solver="streamed"), progress=Listening())
    assert audit.accuracy is None
    assert found(audit, "label") == []
    assert any("labels are not judged" in note for note in notes)


@pytest.mark.parametrize("near", [0, -0.5, 1.01, float("nan")])
def test_a_threshold_out_of_range_is_refused(flawed: tuple[Path, Path], near: float) -> None:
    with pytest.raises(UsageError, match="expected a cosine above 0 and up to 1"):
        audit_cache(flawed[1], pooling="max", near=near)


def test_an_unknown_descriptor_is_refused(flawed: tuple[Path, Path]) -> None:
    with pytest.raises(UnknownNameError, match="bilinear, max"):
        audit_cache(flawed[1], pooling="avg")
