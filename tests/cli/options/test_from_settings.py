"""A settings model as options of a command: names, types, defaults, ranges, and which values count as given."""

import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from birdnet_cli.cli.options import SettingsCommand, with_settings
from birdnet_cli.core import recipe
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import Flag, Settings
from birdnet_cli.core.recipe.lists import CommaList
from tests.cli.command_line import environment


class Oven(Settings):
    """Settings of a command that bakes."""

    heat: Annotated[int, Flag(names=("--heat", "-t"), metavar="DEGREES")] = Field(
        default=200, ge=50, le=300, description="Heat in degrees."
    )
    turn_every: Annotated[float | None, Flag(default="never")] = Field(
        default=None, gt=0, description="Minutes between two turns."
    )
    fan: Annotated[bool, Flag()] = Field(default=True, description="Run the fan.")
    light: Annotated[bool, Flag(names=("--light",))] = Field(default=False, description="Switch the light on.")
    shelf: Annotated[Literal["top", "bottom"], Flag()] = Field(default="top", description="Shelf of the cake.")
    layers: Annotated[CommaList, Flag()] = Field(default=("dough",), description="Layers, comma-separated.")
    kind: Annotated[float | Literal["auto"], Flag(names=("-K",))] = Field(default="auto", description="Kind.")
    rest: Annotated[int, Flag()] = Field(default=5, gt=0, le=60, description="Minutes of rest.")
    secret: int = Field(default=1, description="Set by recipes alone.")


Run = Any


@pytest.fixture
def bake(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command whose settings are an `Oven`, and return its settings, its other options and its result."""
    monkeypatch.setitem(recipe.SECTIONS, "oven", Oven)
    app = typer.Typer(add_completion=False)
    made: list[tuple[Oven, str]] = []

    @app.callback()
    def root() -> None:
        """Make several commands out of one."""

    @app.command(cls=SettingsCommand)
    @with_settings("oven")
    def bake(cake: Annotated[str, typer.Argument(help="Cake.")], *, settings: Oven, note: str = "none") -> None:
        """Bake a cake."""
        made.append((settings, f"{cake} {note}"))

    def run(*arguments: str) -> Any:
        made.clear()
        result = CliRunner().invoke(app, ["bake", *arguments], env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return (*made[0], result) if made else (None, None, result)

    return run


def test_values_that_are_given_reach_the_settings_in_the_types_of_their_fields(bake: Run) -> None:
    settings, others, _ = bake(
        "pie", "-t", "180", "--turn-every", "2.5", "--no-fan", "--light", "--shelf", "bottom", "--layers", "a,b", "-K",
        "3", "--note", "hot",
    )  # fmt: skip
    assert settings == Oven(
        heat=180, turn_every=2.5, fan=False, light=True, shelf="bottom", layers=("a", "b"), kind=3.0
    )
    assert others == "pie hot"


def test_only_what_the_user_gives_counts_as_given(bake: Run) -> None:
    settings, *_ = bake("pie", "--heat", "200")
    assert settings.model_fields_set == {"heat"}


def test_an_option_at_its_default_beats_the_recipe_and_set_beats_both(bake: Run, tmp_path: Any) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("oven: {heat: 100, shelf: bottom, secret: 7}")
    settings, *_ = bake("pie", "--recipe", str(path), "--heat", "200", "--set", "oven.secret=8")
    assert (settings.heat, settings.shelf, settings.secret) == (200, "bottom", 8)


def test_a_value_out_of_range_is_the_settings_own_error(bake: Run) -> None:
    with pytest.raises(UsageError, match=r"oven\.heat: input should be less than or equal to 300 \(got 301\)"):
        bake("pie", "--heat", "301")


@pytest.mark.parametrize(
    "arguments",
    [["--shelf", "middle"], ["--heat", "hot"], ["--turn-every", "often"], ["--no-light"], ["--secret", "2"]],
)
def test_a_value_of_another_type_and_an_unknown_option_are_refused_by_the_parser(
    bake: Run, arguments: list[str]
) -> None:
    settings, _, result = bake("pie", *arguments)
    assert (settings, result.exit_code) == (None, 2)
    assert arguments[0] in result.stderr


def test_help_says_default_range_and_metavar(bake: Run) -> None:
    text = " ".join(bake("--help")[2].stdout.replace("│", " ").split())
    assert "--heat -t DEGREES Heat in degrees. 50 to 300. [default: 200]" in text
    assert "Minutes between two turns. Above 0. [default: (never)]" in text
    assert "--fan --no-fan <bool> Run the fan. [default: fan]" in text
    assert "Switch the light on. [default: (off)]" in text
    assert "Minutes of rest. Above 0, at most 60. [default: 5]" in text
    assert "Layers, comma-separated. [default: dough]" in text
    assert "Override any setting: oven.KEY=VALUE; repeatable." in text
    assert "Set by recipes alone" not in text


def test_options_follow_those_before_the_parameter_settings(bake: Run) -> None:
    text = bake("--help")[2].stdout
    assert text.index("--heat") < text.index("--set") < text.index("--note")


def test_only_the_named_fields_are_options_and_recipes_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recipe.SECTIONS, "oven", Oven)
    app = typer.Typer(add_completion=False)

    @app.callback()
    def root() -> None:
        """Make several commands out of one."""

    @app.command(cls=SettingsCommand)
    @with_settings("oven", only=("heat",), recipes=False)
    def bake(*, settings: Oven) -> None:
        """Bake a cake."""

    text = CliRunner().invoke(app, ["bake", "--help"]).stdout
    assert "--heat" in text
    assert not any(name in text for name in ("--fan", "--recipe", "--set"))


def test_help_of_all_commands_does_not_load_the_settings_models() -> None:
    script = (
        "import sys\n"
        "from birdnet_cli.cli.app import main\n"
        "sys.argv = ['fbn', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'birdnet_cli.core.recipe' not in sys.modules\n"
        "import birdnet_cli.core.recipe\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env=environment())


def test_the_shell_completes_options_made_from_settings() -> None:
    words = environment(_FBN_COMPLETE="complete_bash", COMP_WORDS="fbn finetune data --mom", COMP_CWORD="3")
    script = "import sys; sys.argv = ['fbn']; from birdnet_cli.cli.app import app; app(prog_name='fbn')"
    done = subprocess.run([sys.executable, "-c", script], env=words, capture_output=True, text=True, check=False)
    assert "--momentum" in done.stdout, done
