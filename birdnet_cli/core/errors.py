"""The errors that the core raises, each with a one-line message and an exit code, and the exit codes of `fbn`."""

import difflib
import signal
from collections.abc import Iterable
from enum import IntEnum

__all__ = [
    "CacheError",
    "CheckpointError",
    "DataError",
    "ExitCode",
    "FbnError",
    "ImageError",
    "KernelError",
    "ModelFileError",
    "NumericsError",
    "TrainingInterruptedError",
    "UnknownNameError",
    "UsageError",
    "WeightsError",
    "near_matches",
]


class ExitCode(IntEnum):
    """Exit codes of `fbn`; a process that a signal stopped exits with 128 + the signal's number."""

    DONE = 0
    FAILURE = 1
    USAGE = 2
    SOME_INPUTS_FAILED = 3
    # A gate of `fbn evaluate --fail-under`, or a problem that `fbn data check` found.
    GATE_FAILED = 4
    INTERRUPTED = 128 + signal.SIGINT
    TERMINATED = 128 + signal.SIGTERM


class FbnError(Exception):
    """Base of every error that fbn raises on purpose; the message says what was expected, what came, what to do.

    Attributes:
        exit_code: the exit code of the command that the error ends.
    """

    exit_code: int = ExitCode.FAILURE


class UsageError(FbnError):
    """A setting or argument is out of range, misspelt or contradicts another."""

    exit_code = ExitCode.USAGE


class UnknownNameError(UsageError):
    """A name is not in a registry or a schema; the message lists the near matches."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = near_matches(name, known)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
        super().__init__(f"unknown {kind} '{name}': {hint}")


class DataError(FbnError):
    """A data set's lists, folders or splits are missing, damaged or disagree."""


class ImageError(DataError):
    """An image cannot be used.

    Args:
        path: the file, as the user would name it.
        reason: why the image cannot be used, without the path.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type["ImageError"], tuple[str, str]]:
        return ImageError, (self.path, self.reason)


class WeightsError(FbnError):
    """Backbone weights are absent, of another shape, or fail their hash."""


class CacheError(FbnError):
    """A feature cache is absent, unfinished, damaged, locked, or was made with other settings."""


class CheckpointError(FbnError):
    """A training's checkpoints are absent, all damaged, or were made with other settings or data."""


class KernelError(FbnError):
    """A compiled kernel cannot be built or loaded; the message ends with the compiler's last lines.

    Args:
        reason: the cause: what was expected, and what was found.
        remedy: the command or instruction that repairs it.
        log: the whole output of the compiler; empty where no compiler ran.
    """

    LAST_LINES = 15

    def __init__(self, reason: str, remedy: str, *, log: str = "") -> None:
        ending = "\n".join(["", *log.splitlines()[-self.LAST_LINES :]])
        super().__init__(f"{reason}; {remedy}{ending}")
        self.reason = reason
        self.remedy = remedy
        self.log = log


class ModelFileError(FbnError):
    """A model file is absent, damaged, foreign, or does not fit the code that reads it."""


class NumericsError(FbnError):
    """A value is not finite where the computation needs it to be."""


class TrainingInterruptedError(FbnError):
    """A signal stopped a training after it saved a checkpoint.

    Args:
        message: the step at which it stopped, and how to continue.
        number: the signal's number.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


def near_matches(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three of `known` that resemble `name`, best first."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
