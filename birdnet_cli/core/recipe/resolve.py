"""YAML, environment, flags and `--set` overrides -> validated, frozen settings.

Order, each overriding those before it: defaults < recipe file < flags (into which Typer puts the environment) <
`--set section.key=value`. Settings that are given together in a layer also set those that they
imply. A recipe is a YAML file with the sections `extract`, `head` and `finetune`; an unknown key anywhere is an error
that names its near matches.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.recipe.base import Settings
from birdnet_cli.core.recipe.extract import ExtractSettings
from birdnet_cli.core.recipe.finetune import FinetuneSettings
from birdnet_cli.core.recipe.head import HeadSettings
from birdnet_cli.core.recipe.plain_yaml import read_yaml

__all__ = ["SECTIONS", "find_recipe", "list_recipes", "load_recipe", "resolve_settings"]

SECTIONS: dict[str, type[Settings]] = {"extract": ExtractSettings, "head": HeadSettings, "finetune": FinetuneSettings}
S = TypeVar("S", bound=Settings)


def list_recipes() -> dict[str, Path]:
    """Return the recipes that come with fbn, name -> file, in alphabetical order."""
    return {path.stem: path for path in sorted(_recipe_directory().glob("*.yaml"))}


def find_recipe(name_or_path: str) -> Path:
    """Return the file of a recipe that comes with fbn, or the user's own file.

    Raises:
        UnknownNameError: neither a known name nor an existing file.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return path
    known = list_recipes()
    if name_or_path not in known:
        raise UnknownNameError("recipe", name_or_path, known)
    return known[name_or_path]


def load_recipe(name_or_path: str) -> dict[str, dict[str, Any]]:
    """Read a recipe's sections without validating their values.

    Raises:
        UnknownNameError: no such recipe, or a section other than `extract`, `head` and `finetune`.
        UsageError: not YAML, or not a mapping of mappings.
    """
    path = find_recipe(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    document = read_yaml(text, source=str(path))
    if not isinstance(document, dict) or not all(isinstance(section, dict) for section in document.values()):
        raise UsageError(f"{path}: a recipe is a mapping of sections ({', '.join(SECTIONS)}), each of `key: value`")
    for section in document:
        if section not in SECTIONS:
            raise UnknownNameError(f"section of {path.name}", str(section), SECTIONS)
    return document


def resolve_settings(
    schema: type[S],
    *,
    section: str,
    recipe: str | None = None,
    flags: Mapping[str, Any] | None = None,
    overrides: Iterable[str] = (),
) -> S:
    """Merge defaults, a recipe's section, flags and `--set` overrides, and validate the result.

    Args:
        schema: the settings model.
        section: its section in a recipe and in overrides, such as `extract`.
        recipe: a recipe's name or file.
        flags: values from the command line; None means "not given".
        overrides: texts `section.key=value` of this section; the value is read as YAML.

    Raises:
        UsageError: an unknown key, a wrong type, or a value out of range; the message names every such key.
    """
    layers: list[dict[str, Any]] = [
        load_recipe(recipe).get(section, {}) if recipe else {},
        {key: value for key, value in (flags or {}).items() if value is not None},
        dict(_parse_override(text, section) for text in overrides),
    ]
    values: dict[str, Any] = {}
    for layer in layers:
        values |= schema.with_implied(layer)
    for key in values:
        if key not in schema.model_fields:
            raise UnknownNameError(f"setting of '{section}'", str(key), schema.model_fields)
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise UsageError(_explain(error, section)) from error


def _parse_override(text: str, section: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    owner, dot, name = key.strip().partition(".")
    if not equals or not dot or not name:
        raise UsageError(f"--set {text}: expected {section}.KEY=VALUE")
    if owner != section:
        raise UsageError(f"--set {text}: this command's settings are under '{section}.', not '{owner}.'")
    return name, read_yaml(value, source=f"--set {text}")


def _explain(error: ValidationError, section: str) -> str:
    parts = []
    for issue in error.errors(include_url=False):
        key = ".".join(str(item) for item in issue["loc"][:1])
        parts.append(f"{section}.{key}: {issue['msg'].lower()} (got {repr(issue['input'])[:80]})")
    return "; ".join(dict.fromkeys(parts))


def _recipe_directory() -> Path:
    installed = Path(__file__).parents[2] / "_recipes"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "recipes"
