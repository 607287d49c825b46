"""`fbn recipes`: the recipes that come with fbn."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["recipes_app"]

recipes_app = typer.Typer(no_args_is_help=True, help="List, show and copy recipes.")


@recipes_app.command("ls")
def list_recipes() -> None:
    """List the recipes that come with fbn, each with its first line."""
    from birdnet_cli.core import recipe

    for name, path in recipe.list_recipes().items():
        with path.open(encoding="utf-8") as lines:
            typer.echo(f"{name:32} {next(lines).lstrip('# ').rstrip()}")


@recipes_app.command("show")
def show_recipe(name: Annotated[str, typer.Argument(help="A recipe's name or file.")]) -> None:
    """Print a recipe."""
    from birdnet_cli.core import recipe

    typer.echo(recipe.find_recipe(name).read_text(encoding="utf-8"), nl=False)


@recipes_app.command("cp")
def copy_recipe(
    name: Annotated[str, typer.Argument(help="A recipe's name.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
) -> None:
    """Copy a recipe, to be edited and given to --recipe."""
    from birdnet_cli.core import recipe
    from birdnet_cli.core.errors import UsageError

    if target.exists():
        raise UsageError(f"{target}: exists already; choose another name")
    shutil.copyfile(recipe.find_recipe(name), target)
