"""The errors' texts and exit codes."""

import pickle
import signal

import pytest

from birdnet_cli.core import errors
from birdnet_cli.core.errors import (
    ExitCode,
    FbnError,
    ImageError,
    TrainingInterruptedError,
    UnknownNameError,
    UsageError,
    near_matches,
)

NO_ERRORS = (ExitCode, FbnError)
CHILDREN = [
    kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type) and kind not in NO_ERRORS
]


@pytest.mark.parametrize("kind", CHILDREN)
def test_every_error_is_a_child_of_fbn_error(kind: type[Exception]) -> None:
    assert issubclass(kind, FbnError)


@pytest.mark.parametrize("kind", [FbnError, *CHILDREN])
def test_usage_errors_exit_with_2_and_every_other_error_with_1(kind: type[FbnError]) -> None:
    assert kind.exit_code == (2 if issubclass(kind, UsageError) else 1)


def test_the_exit_codes_are_those_that_scripts_know() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0, "FAILURE": 1, "USAGE": 2, "SOME_INPUTS_FAILED": 3, "GATE_FAILED": 4, "INTERRUPTED": 130,
        "TERMINATED": 143,
    }  # fmt: skip


def test_a_training_that_a_signal_stopped_exits_as_a_process_that_the_signal_ended() -> None:
    assert TrainingInterruptedError("stopped", signal.SIGTERM).exit_code == ExitCode.TERMINATED


def test_near_matches_come_best_first_and_at_most_three() -> None:
    known = ["vgg16", "vgg19", "vgg13", "vgg16_bn", "alexnet"]
    assert near_matches("vgg16", known)[0] == "vgg16"
    assert len(near_matches("vgg1", known)) == 3
    assert near_matches("transformer", known) == []


def test_an_unknown_name_is_told_its_near_matches() -> None:
    assert str(UnknownNameError("backbone", "vgg61", ["vgg16", "alexnet"])) == (
        "unknown backbone 'vgg61': did you mean vgg16?"
    )


def test_an_unknown_name_that_resembles_nothing_is_told_all_names_in_order() -> None:
    assert str(UnknownNameError("split", "zzz", iter(["val", "test", "train"]))) == (
        "unknown split 'zzz': known: test, train, val"
    )


def test_an_image_error_survives_the_way_out_of_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(ImageError("a\udcff.jpg", "zero bytes")))
    assert type(error) is ImageError
    assert (error.path, error.reason) == ("a\udcff.jpg", "zero bytes")
    assert str(error) == "a\udcff.jpg: zero bytes"
