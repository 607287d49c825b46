"""Gates: how they are written, what they test, and what they say."""

import pytest

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.evaluation.gates import Gate, Verdict, check_gates, parse_gates, resolve_gates
from birdnet_cli.core.evaluation.intervals import wilson_interval
from tests.core.evaluation.simulated import evaluation_of

CLASSES = ("001.Fox_Sparrow", "002.Song_Sparrow", "kiwi")
# Fox Sparrow: 45 of 50 correct; Song Sparrow: 10 of 10; two predictions of kiwi, no image of it.
PREDICTIONS = [(0, 0, 0.9)] * 45 + [(0, 1, 0.6)] * 3 + [(0, 2, 0.6)] * 2 + [(1, 1, 0.9)] * 10
SPARROWS = evaluation_of(CLASSES, PREDICTIONS)


def verdict_of(text: str) -> Verdict:
    (verdict,) = check_gates(resolve_gates(parse_gates([text]), CLASSES), SPARROWS)
    return verdict


@pytest.mark.parametrize(
    ("text", "gates"),
    [
        ("top1=0.9", [Gate("top1", None, 0.9)]),
        ("top5>=1", [Gate("top5", None, 1.0)]),
        (" ece <= .05 , nll<=2.5 ", [Gate("ece", None, 0.05), Gate("nll", None, 2.5)]),
        ("recall[Fox_Sparrow]=0.8,macro_recall=0", [Gate("recall", "Fox_Sparrow", 0.8), Gate("macro_recall", None, 0)]),
        ("precision[a, b=1]=0.5,top1=0.1", [Gate("precision", "a, b=1", 0.5), Gate("top1", None, 0.1)]),
        ("recall[a [b]]=0.5", [Gate("recall", "a [b]", 0.5)]),
        ("recall[two\nlines]=0.5", [Gate("recall", "two\nlines", 0.5)]),
    ],
)
def test_gates_are_separated_by_commas_and_a_name_may_hold_anything(text: str, gates: list[Gate]) -> None:
    assert parse_gates([text]) == tuple(gates)


def test_several_texts_add_up() -> None:
    assert [str(gate) for gate in parse_gates(["top1=0.9", "ece<=0.1,nll<=3"])] == ["top1>=0.9", "ece<=0.1", "nll<=3"]
    assert parse_gates([]) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--fail-under '': expected METRIC=VALUE"),
        ("top1", "--fail-under 'top1': expected METRIC=VALUE"),
        ("top1=", "expected METRIC=VALUE"),
        ("top1=0.9 top5=0.9", "expected METRIC=VALUE"),
        ("top1=0.9,,top5=0.9", "--fail-under ',top5=0.9'"),
        ("top1==0.9", "expected METRIC=VALUE"),
        ("top1<0.9", "expected METRIC=VALUE"),
        ("top2=0.9", "unknown metric in --fail-under 'top2': did you mean top5 or top1"),
        ("top1=90", "--fail-under top1=90: expected a fraction from 0 to 1, got '90'"),
        ("top1=90%", "expected a fraction from 0 to 1, got '90%'"),
        ("top1=-0.1", "expected a fraction from 0 to 1, got '-0.1'"),
        ("top1=nan", "expected a fraction from 0 to 1, got 'nan'"),
        ("nll<=inf", "expected 0 or more, got 'inf'"),
        ("top1<=0.9", "top1 is better when higher: expected = or >="),
        ("ece=0.1", "ece is better when lower: expected <="),
        ("recall=0.9", r"expected recall\[CLASS\]=VALUE"),
        ("top1[kiwi]=0.9", "expected top1 without a class"),
    ],
)
def test_a_malformed_gate_says_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_gates([text])


def test_a_class_may_be_named_without_its_number() -> None:
    (gate,) = resolve_gates(parse_gates(["recall[Fox_Sparrow]=0.8"]), CLASSES)
    assert gate.class_name == "001.Fox_Sparrow"
    assert resolve_gates([gate], CLASSES) == (gate,)


def test_a_full_class_name_wins_over_a_name_without_its_number() -> None:
    (gate,) = resolve_gates(parse_gates(["recall[kiwi]=0.8"]), ("1.kiwi", "kiwi"))
    assert gate.class_name == "kiwi"


@pytest.mark.parametrize("classes", [CLASSES, ("1.Fox_Sparow", "2.Fox_Sparow")])
def test_an_unknown_or_ambiguous_class_is_an_error_with_near_matches(classes: tuple[str, ...]) -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown class in --fail-under recall 'Fox_Sparow': did you mean .*Fox"
    ):
        resolve_gates(parse_gates(["recall[Fox_Sparow]=0.8"]), classes)


def test_the_lower_limit_decides_and_not_the_value() -> None:
    low = wilson_interval(45, 50).low
    assert 0.78 < low < 0.9
    assert verdict_of("recall[Fox_Sparrow]=0.78").passed
    assert not verdict_of("recall[Fox_Sparrow]=0.85").passed


def test_a_limit_at_the_threshold_passes() -> None:
    assert verdict_of(f"recall[Fox_Sparrow]={wilson_interval(45, 50).low!r}").passed


def test_the_upper_limit_decides_where_lower_is_better() -> None:
    estimate = SPARROWS.estimates["ece"]
    between = (estimate.value + estimate.interval.high) / 2
    assert not verdict_of(f"ece<={between}").passed
    assert verdict_of(f"ece<={estimate.interval.high + 1e-9}").passed


def test_precision_is_the_share_of_the_predictions_of_a_class() -> None:
    (verdict,) = check_gates([Gate("precision", "002.Song_Sparrow", 0.5)], SPARROWS)
    assert verdict.estimate is not None
    assert (verdict.estimate.part, verdict.estimate.whole) == (10, 13)


def test_the_recall_of_a_class_without_an_image_cannot_pass() -> None:
    verdict = verdict_of("recall[kiwi]=0")
    assert not verdict.passed
    assert verdict.line() == "gate failed: recall[kiwi]>=0: no image to measure it on"
    assert verdict.to_json() == {"gate": "recall[kiwi]>=0", "value": None, "interval": None, "passed": False}


def test_the_line_holds_the_value_and_the_limit_that_decided() -> None:
    low, high = wilson_interval(45, 50)
    assert verdict_of("recall[Fox_Sparrow]=0.85").line() == (
        f"gate failed: recall[001.Fox_Sparrow]>=0.85: measured 0.9000 (45 of 50), "
        f"95% interval {low:.4f} to {high:.4f}; its lower limit {low:.4f} is below 0.85"
    )
    assert verdict_of("top1=0.5").line().endswith("is not below 0.5")
    assert "upper limit" in verdict_of("nll<=0.001").line()
    assert verdict_of("nll<=0.001").line().endswith("is above 0.001")
    assert verdict_of("nll<=100").line().startswith("gate passed: nll<=100: measured")


def test_json_holds_the_value_and_its_interval() -> None:
    document = verdict_of("top1=0.5").to_json()
    assert document["value"] == pytest.approx(55 / 60)
    assert document["interval"] == list(wilson_interval(55, 60))
    assert document["passed"] is True
