"""What every command has in common: help without torch, one line per error, exit codes, quiet ends."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from birdnet_cli import __version__
from birdnet_cli.cli.app import app
from tests.cli.command_line import Finished, environment, run_fbn

Fbn = Callable[..., Finished]

NO_PARAMETERS = [("recipes", "ls"), ("kernels", "clean")]

# Runs a command line and writes the heavy modules it imported, and its CPU seconds, to stderr.
WATCHED = (
    "import json, sys, time\n"
    "from birdnet_cli.cli.app import main\n"
    "try: main()\n"
    "except SystemExit as exit: code = exit.code\n"
    "heavy = {'torch', 'torchvision', 'h5py', 'PIL', 'numpy'} & set(sys.modules)\n"
    "print(json.dumps([code, sorted(heavy), time.process_time()]), file=sys.stderr)\n"
)


def watch(tmp_path: Path, *arguments: str) -> tuple[str, int, list[str], float]:
    """Return stdout, the exit code, heavy modules and CPU seconds of a command line."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment(COLUMNS="160"),
    )
    code, heavy, seconds = json.loads(done.stderr.splitlines()[-1])
    return done.stdout, code, heavy, seconds


def every_command() -> list[tuple[str, ...]]:
    group = get_command(app)
    paths: list[tuple[str, ...]] = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        children = getattr(command, "commands", {})
        paths += [(name, child) for child in children] or [(name,)]
    return paths


@pytest.mark.parametrize("arguments", [("--help",), ("predict", "--help"), ("--version",)], ids=" ".join)
def test_help_takes_under_half_a_second_and_imports_no_torch(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    # CPU time, and the best of several: a busy machine changes how long it takes, not how much there is to do.
    runs = [watch(tmp_path, *arguments) for _ in range(3)]
    out, code, heavy, _ = runs[0]
    assert (code, heavy) == (0, [])
    assert out.strip()
    assert min(seconds for *_, seconds in runs) < 0.5


def test_the_help_of_no_command_imports_torch(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from birdnet_cli.cli.app import main\n"
        f"for path in {every_command()!r}:\n"
        "    sys.argv = ['fbn', *path, '--help']\n"
        "    try: main()\n"
        "    except SystemExit as exit: assert exit.code == 0, path\n"
        "    assert 'torch' not in sys.modules, path\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env=environment())


def test_importing_the_package_imports_no_torch() -> None:
    script = "import sys, birdnet_cli; dir(birdnet_cli); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, env=environment())


def test_the_version_is_printed(fbn: Fbn) -> None:
    assert fbn("--version") == Finished(0, f"{__version__}\n", "")


def test_help_lists_every_command_and_the_exit_codes(fbn: Fbn) -> None:
    done = fbn("--help")
    assert done.code == 0
    for name in (
        "demo",
        "extract",
        "train-head",
        "predict",
        "evaluate",
        "cache",
        "data",
        "models",
        "recipes",
        "bench",
        "kernels",
    ):
        assert f" {name} " in done.out
    assert " compare " in done.out
    assert "Exit codes: 0 done, 1 failure, 2 usage" in " ".join(done.out.split())


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_option_is_in_kebab_case_and_has_a_sentence_of_help_and_its_default(path: tuple[str, ...]) -> None:
    context = get_command(app).make_context("fbn", [], resilient_parsing=True)
    for name in path:
        command = context.command.commands[name]  # type: ignore[attr-defined]
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
    assert context.command.help
    assert context.command.params or path in NO_PARAMETERS
    for parameter in context.command.params:
        assert parameter.help.endswith("."), parameter.opts  # type: ignore[attr-defined]
        record = parameter.get_help_record(context)
        assert record is not None
        assert "required]" in record[1] or "default: " in record[1], record
        assert not any("_" in option for option in parameter.opts if option.startswith("-")), parameter.opts


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["data", "stats", "absent"], 1, "absent"),
        (["cache", "info", "absent.h5"], 1, "absent.h5: no such file"),
        (["predict", "x.jpg", "-m", "absent.safetensors"], 1, "absent.safetensors: no such model file"),
        (["recipes", "show", "absent"], 2, "unknown recipe 'absent'"),
        (["models", "backbones", "vgg61"], 2, "unknown backbone 'vgg61': did you mean vgg1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_is_one_line_on_stderr_with_its_exit_code(
    fbn: Fbn, arguments: list[str], code: int, message: str
) -> None:
    done = fbn(*arguments)
    assert done.code == code
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err


def test_an_error_of_the_system_is_one_line_too(fbn: Fbn, model: Path, few: Path) -> None:
    # Its temporary sibling's name is longer than any file's.
    name = "x" * 250
    done = fbn("predict", few, "-m", model, "-o", name, "-j", "0")
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert name in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["--bogus"], ["predict", "x.jpg", "--bogus"], ["extract", "x", "-o", "y.h5", "--bogus"], ["data", "--bogus"]],
    ids=" ".join,
)  # fmt: skip
def test_an_unknown_option_is_named(fbn: Fbn, arguments: list[str]) -> None:
    done = fbn(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "--bogus" in done.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["predict", "x.jpg", "-k", "0"], "-k"),
        (["predict", "x.jpg", "-k", "nan"], "-k"),
        (["predict", "x.jpg", "--format", "xml"], "--format"),
        (["predict"], "SOURCE"),
        (["extract", "data"], "--output"),
        (["data", "split", "d", "-o", "x.csv", "--test", "nan"], "--test"),
        (["bogus"], "bogus"),
        (["cache", "bogus"], "bogus"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_exits_with_2_and_names_what_is_wrong(fbn: Fbn, arguments: list[str], named: str) -> None:
    done = fbn(*arguments)
    assert (done.code, done.out) == (2, "")
    assert named in done.err


@pytest.mark.parametrize("by", ["option", "variable"])
def test_debug_shows_where_an_error_came_from(tmp_path: Path, by: str) -> None:
    arguments = ["--debug"] if by == "option" else []
    env = environment(FBN_DEBUG="1") if by == "variable" else environment()
    done = run_fbn(*arguments, "recipes", "show", "absent", cwd=tmp_path, env=env)
    assert done.code != 0
    assert "Traceback" in done.err
    assert "UnknownNameError: unknown recipe 'absent'" in done.err
