import re
from dataclasses import replace

import numpy as np
import pytest

from birdnet_cli.core.cache.plan import CachePlan, differences
from birdnet_cli.core.errors import CacheError


def test_plan_survives_json_with_names_that_are_not_utf8(extraction):
    assert CachePlan.from_json(extraction.plan.to_json()) == extraction.plan


def test_text_that_is_no_plan_is_refused():
    for text in ("", "[]", '{"names": ["a"]}', '{"names": 3}'):
        with pytest.raises(CacheError, match="not the plan of an extraction"):
            CachePlan.from_json(text)


def test_differences_name_each_field_by_its_path():
    old = {"layer": "relu5_3", "transform": {"image_size": 224, "resize": "squash"}, "flip": False}
    new = {"layer": "relu5_3", "transform": {"image_size": 448, "resize": "squash"}, "reduce": 144}
    assert differences(old, new) == [
        "flip: false -> absent",
        "reduce: absent -> 144",
        "transform.image_size: 224 -> 448",
    ]


def test_identity_changes_with_every_column_and_with_the_fingerprint_but_not_with_provenance(extraction):
    plan = extraction.plan
    same = replace(plan, provenance={"fbn": "2.0"})
    assert same.identity() == plan.identity()
    for change in (
        {"names": ("x", *plan.names[1:])},
        {"labels": (2, *plan.labels[1:])},
        {"splits": ("val", *plan.splits[1:])},
        {"classes": ("kea", "kākā", "moa")},
        {"dtype": "float32"},
        {"fingerprint": {**plan.fingerprint, "layer": "relu4_3"}},
    ):
        assert replace(plan, **change).identity() != plan.identity(), change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": (), "labels": (), "splits": ()}, "at least one image"),
        ({"splits": ("train",)}, "1100 names, 1100 labels and 1 splits"),
        ({"labels": (3,) * 1100}, "label 3 is outside -1 to 2"),
        ({"labels": (-2,) * 1100}, "label -2 is outside -1 to 2"),
        ({"dtype": "bfloat16"}, "stores float16 or float32"),
        ({"descriptors": {}}, "at least one descriptor"),
        ({"descriptors": {"max": 0}}, "0 dimensions"),
        ({"descriptors": {"max": 1 << 25}}, "33554432 dimensions"),
        ({"descriptors": {"a/b": 4}}, "without '/'"),
        ({"fingerprint": {"x": float("nan")}}, "fingerprint of a cache must be JSON"),
        ({"fingerprint": {"x": np.float32(1)}}, "fingerprint of a cache must be JSON"),
        ({"provenance": {"x": "y" * 70_000}}, "at most 60000 fit"),
    ],
)
def test_plan_that_cannot_be_stored_is_refused(extraction, change, message):
    with pytest.raises(CacheError, match=re.escape(message)):
        replace(extraction.plan, **change)
