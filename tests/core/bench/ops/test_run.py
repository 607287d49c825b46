"""Ops against the usual ways of writing them, measured for a moment."""

import json
from collections.abc import Iterator

import pytest
import torch

from birdnet_cli.core.bench.ops import (
    OpReport,
    Shape,
    bench_ops,
    create_op_bench,
    list_op_benches,
    measure,
    run,
)
from birdnet_cli.core.errors import UnknownNameError

CPU = torch.device("cpu")
SMALL = (Shape(2, 8, 6),)
PLAIN = ("fbn", "fbn-signed", "einsum", "outer", "fft", "rfft")


@pytest.fixture(autouse=True, scope="module")
def small_ceilings() -> Iterator[None]:
    """A matrix product and a copy that take no time."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(measure, "GEMM_SIZE", {"cpu": 64})
        monkeypatch.setattr(measure, "COPY_BYTES", {"cpu": 2**16})
        monkeypatch.setattr(measure, "SAMPLE_SECONDS", 1e-6)
        yield


@pytest.fixture(scope="module")
def report() -> OpReport:
    return bench_ops(list_op_benches(), device="cpu", shapes=SMALL, contenders=PLAIN, repeats=2)


@pytest.mark.parametrize("op", list_op_benches())
def test_all_contenders_compute_the_same_inner_products(op: str) -> None:
    """Packed and full forms have inner products in common, not values."""
    x = torch.rand(3, 7, 10, generator=torch.Generator().manual_seed(0)) + 0.1
    results = {
        name: contender.forward(x).detach().flatten(1)
        for name, contender in create_op_bench(op).contenders(7, CPU).items()
        if name not in ("compile", "fbn-drop")  # the second computes with half of the factors
    }
    expected = results["eager"] @ results["eager"].T
    for result in results.values():
        torch.testing.assert_close(result @ result.T, expected, rtol=1e-4, atol=1e-4)


def test_every_contender_is_measured_in_every_dtype_and_eager_in_any_case(report: OpReport) -> None:
    rows = {(row.op, row.contender, row.dtype) for row in report.rows}
    for dtype in ("float32", "bfloat16"):
        assert {name for op, name, kind in rows if op == "bilinear_pool" and kind == dtype} >= set(PLAIN[:4])
        assert {name for op, name, kind in rows if op == "compact_bilinear_pool" and kind == dtype} >= {"fbn", "fft"}
    assert ("bilinear_pool", "eager", "float32") in rows
    assert ("bilinear_pool", "eager", "bfloat16") not in rows


def test_speed_is_against_eager_in_float32_and_gemm_share_against_the_ceiling(report: OpReport) -> None:
    rows = {(row.op, row.contender, row.dtype): row for row in report.rows}
    eager, ours = (rows["bilinear_pool", *key] for key in (("eager", "float32"), ("fbn", "bfloat16")))
    assert eager.forward.speed == eager.both.speed == 1
    assert ours.forward.speed == eager.forward.seconds / ours.forward.seconds
    assert ours.both.speed == eager.both.seconds / ours.both.seconds
    forward_flops, backward_flops = 2 * 8 * 9 * 6, 2 * 2 * 8 * 8 * 6
    rate = report.ceilings.gemm["bfloat16"]
    assert ours.forward.gemm_share == pytest.approx(forward_flops / ours.forward.seconds / rate)
    assert ours.both.gemm_share == pytest.approx((forward_flops + backward_flops) / ours.both.seconds / rate)


def test_ceilings_are_measured_for_float32_and_every_dtype_asked_for(report: OpReport) -> None:
    assert set(report.ceilings.gemm) == {"float32", "bfloat16"}
    assert all(rate > 0 for rate in (*report.ceilings.gemm.values(), report.ceilings.copy))


def test_the_report_is_json_and_says_what_ran(report: OpReport) -> None:
    document = json.loads(json.dumps(report.to_json()))
    assert document["machine"]["device"] == "cpu"
    assert document["machine"]["fbn runs"]["bilinear_pool"] in {"compiled", "reference"}
    assert set(document["rows"][0]) == {"op", "shape", "dtype", "contender", "forward", "both"}
    assert set(document["rows"][0]["both"]) == {"seconds", "speed", "gemm_share", "extra_bytes"}


def test_medians_of_interleaved_samples_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    class Recorded(run.Trial):
        def sample(self) -> None:
            order.append(self.name)
            for samples in self.samples:
                samples.append((5.0, 1.0, 2.0)[len(samples)])

    monkeypatch.setattr(run, "Trial", Recorded)
    done = bench_ops(
        ["bilinear_pool"], device="cpu", shapes=SMALL, dtypes=["float32"], contenders=["fbn", "einsum"], repeats=3
    )
    assert order == ["eager", "fbn", "einsum"] * 3
    assert [row.forward.seconds for row in done.rows] == [2.0] * 3


def test_what_would_fill_the_memory_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "INTERMEDIATE_BYTES", 4 * 2 * 8 * 8 * 6 - 1)
    done = bench_ops(["bilinear_pool"], device="cpu", shapes=SMALL, contenders=["fbn", "outer"], repeats=1)
    assert {row.contender for row in done.rows} == {"eager", "fbn"}


def test_a_contender_that_fails_is_named_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []

    class Noted(run.SilentProgress):
        def note(self, text: str) -> None:
            notes.append(text)

    class Failing(run.Trial):
        def __init__(self, op: str, name: str, *rest: object, **settings: object) -> None:
            if name == "einsum":
                raise RuntimeError("no compiler here\nand more")
            super().__init__(op, name, *rest, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "Trial", Failing)
    names = ["fbn", "einsum"]
    done = bench_ops(
        ["bilinear_pool"], device="cpu", shapes=SMALL, dtypes=["float32"], contenders=names, repeats=1, progress=Noted()
    )
    assert notes == ["bilinear_pool 2x8x6: einsum left out in torch.float32: no compiler here"]
    assert {row.contender for row in done.rows} == {"eager", "fbn"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ops": ["bilinear_pol"]}, "unknown op 'bilinear_pol': did you mean bilinear_pool"),
        ({"dtypes": ["float23"]}, "unknown dtype 'float23': did you mean float32"),
        ({"contenders": ["eger"]}, "unknown contender 'eger': did you mean eager"),
    ],
    ids=["op", "dtype", "contender"],
)
def test_a_misspelt_name_is_an_error(settings: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        bench_ops(**{"ops": ["bilinear_pool"], "device": "cpu", **settings})  # type: ignore[arg-type]
