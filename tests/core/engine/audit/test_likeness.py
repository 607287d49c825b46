"""Similarities against the matrix of all cosines of centred descriptors, for every size of slab."""

import numpy as np
import pytest

from birdnet_cli.core.engine.audit import likeness as module
from birdnet_cli.core.engine.audit.likeness import compare_images
from tests.core.heads.conftest import ArraySource


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("slab_bytes", [2**28, 4 * 41 * 7])
def test_it_equals_the_matrix_of_all_cosines(
    slab_bytes: int, standardize: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLAB_BYTES", slab_bytes)
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(41, 9)) * rng.uniform(0.1, 5, 9) + 3).astype(np.float32)
    labels = rng.integers(0, 4, 41)
    labels[:3] = (-1, -1, 7)
    splits = ["train", "test"] * 20 + ["val"]
    found = compare_images(ArraySource(rows, block=6), labels, splits, standardize=standardize, nearest=3)
    exact = rows.astype(np.float64) - rows.astype(np.float64).mean(axis=0)
    if standardize:
        exact /= exact.std(axis=0)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    cosines = exact @ exact.T
    for row in range(41):
        if row:
            assert found.earlier[row] == cosines[row, :row].argmax()
            assert found.similarity[row] == pytest.approx(cosines[row, :row].max(), abs=1e-5)
        others = [other for other in range(row) if splits[other] != splits[row]]
        if others:
            assert found.across[row] == max(others, key=lambda other: cosines[row, other])
            assert found.across_similarity[row] == pytest.approx(cosines[row, others].max(), abs=1e-5)
        mates = [other for other in range(41) if other != row and labels[other] == labels[row]]
        if labels[row] < 0 or not mates:
            assert np.isnan(found.closeness[row])
        else:
            assert found.closeness[row] == pytest.approx(np.sort(cosines[row, mates])[-3:].mean(), abs=1e-5)
    assert found.earlier[0] == found.across[0] == -1
