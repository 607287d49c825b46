"""Settings: where each value comes from, and what is refused."""

import re
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from birdnet_cli.core import recipe
from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.recipe import (
    ExtractSettings,
    HeadSettings,
    find_recipe,
    list_recipes,
    load_recipe,
    resolve_settings,
)


def write_recipe(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def resolve_extract(**arguments: Any) -> ExtractSettings:
    return resolve_settings(ExtractSettings, section="extract", **arguments)


def resolve_head(**arguments: Any) -> HeadSettings:
    return resolve_settings(HeadSettings, section="head", **arguments)


def test_nothing_given_is_the_defaults() -> None:
    assert resolve_extract() == ExtractSettings()
    assert ExtractSettings().image_size == 224


def test_set_beats_flags_which_beat_the_recipe_which_beats_the_defaults(tmp_path: Path) -> None:
    name = write_recipe(tmp_path, "extract: {image_size: 100, batch_size: 100, workers: 100}")
    settings = resolve_extract(
        recipe=name, flags={"batch_size": 200, "workers": 200}, overrides=["extract.workers=300"]
    )
    given = (settings.seed, settings.image_size, settings.batch_size, settings.workers)
    assert given == (0, 100, 200, 300)


def test_of_two_overrides_of_one_setting_the_last_wins() -> None:
    assert resolve_head(overrides=["head.cv=3", "head.cv=4"]).cv == 4


def test_a_flag_that_is_none_was_not_given(tmp_path: Path) -> None:
    name = write_recipe(tmp_path, "extract: {flip: true}")
    assert resolve_extract(recipe=name, flags={"flip": None}).flip is True
    assert resolve_extract(recipe=name, flags={"flip": False}).flip is False


def test_each_command_reads_its_own_section(tmp_path: Path) -> None:
    name = write_recipe(tmp_path, "extract: {seed: 1}\nhead: {seed: 2}")
    assert resolve_extract(recipe=name).seed == 1
    assert resolve_head(recipe=name).seed == 2


def test_a_recipe_may_lack_a_section(tmp_path: Path) -> None:
    assert resolve_head(recipe=write_recipe(tmp_path, "extract: {seed: 1}")) == HeadSettings()


def test_yaml_reads_1e_minus_4_as_text_and_it_becomes_a_number(tmp_path: Path) -> None:
    name = write_recipe(tmp_path, "head: {C: 1e-4}")
    assert load_recipe(name)["head"]["C"] == "1e-4"
    assert resolve_head(recipe=name).C == 1e-4
    assert resolve_head(overrides=["head.C=1e-4"]).C == 1e-4
    assert resolve_head(flags={"C": "1e-4"}).C == 1e-4


def test_auto_stays_a_word_where_a_number_may_stand() -> None:
    assert resolve_head(overrides=["head.C=auto"]).C == "auto"


@pytest.mark.parametrize("value", ["max, avg,", "[max, avg]"])
def test_a_list_is_written_with_commas_or_as_yaml(value: str) -> None:
    assert resolve_extract(overrides=[f"extract.pooling={value}"]).pooling == ("max", "avg")
    assert resolve_extract(flags={"pooling": "max,avg"}).pooling == ("max", "avg")


def test_an_override_may_hold_an_equals_sign(tmp_path: Path) -> None:
    assert resolve_extract(overrides=["extract.weights=a=b.onnx"]).weights == "a=b.onnx"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ExtractSettings().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overrides": ["extract.image_sise=64"]}, "setting of 'extract' 'image_sise': did you mean image_size"),
        ({"flags": {"bachsize": 1}}, "setting of 'extract' 'bachsize': did you mean batch_size"),
        ({"overrides": ["extract.zzz=1"]}, "setting of 'extract' 'zzz': known: backbone, batch_size"),
    ],
)
def test_an_unknown_setting_is_refused_with_its_near_matches(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        resolve_extract(**arguments)
    assert message in str(caught.value)


def test_an_unknown_setting_in_a_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'calibrat': did you mean calibrate"):
        resolve_head(recipe=write_recipe(tmp_path, "head: {calibrat: false}"))


def test_an_unknown_section_is_refused_whichever_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"section of mine\.yaml 'extrct': did you mean extract"):
        resolve_head(recipe=write_recipe(tmp_path, "head: {cv: 3}\nextrct: {seed: 1}"))


def test_an_unknown_recipe_is_refused_with_its_near_matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cub-bilinear.yaml").write_text("head: {}")
    monkeypatch.setattr(recipe.resolve, "_recipe_directory", lambda: tmp_path)
    assert list_recipes() == {"cub-bilinear": tmp_path / "cub-bilinear.yaml"}
    with pytest.raises(UnknownNameError, match="recipe 'cub-bilinar': did you mean cub-bilinear"):
        find_recipe("cub-bilinar")


def test_a_recipe_file_that_does_not_exist_is_an_unknown_recipe(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"recipe '.*absent\.yaml'"):
        find_recipe(str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("extract.image_size=8", "extract.image_size: input should be greater than or equal to 16 (got 8)"),
        ("extract.image_size=1.5", "extract.image_size: input should be a valid integer"),
        ("extract.workers=-1", "extract.workers: input should be greater than or equal to 0 (got -1)"),
        ("extract.batch_size=.nan", "extract.batch_size: "),
        ("extract.resize=stretch", "extract.resize: input should be 'squash', 'crop' or 'letterbox' (got 'stretch')"),
        ("extract.select=entropy:5", "extract.select: string should match pattern"),
        ("extract.select=variance:0", "extract.select: string should match pattern"),
        ("extract.pooling=", "extract.pooling: "),
        ("extract.pooling=','", "extract.pooling: tuple should have at least 1 item"),
        ("extract.flip=maybe", "extract.flip: input should be a valid boolean"),
        ("extract.dtype=float64", "extract.dtype: "),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_setting(override: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_extract(overrides=[override])
    assert message in str(caught.value)


@pytest.mark.parametrize("value", ["nan", ".nan", "inf", ".inf", "0", "-1", "1e400", "car"])
def test_c_is_a_positive_finite_number_or_auto(value: str) -> None:
    with pytest.raises(UsageError, match=r"head\.C: "):
        resolve_head(overrides=[f"head.C={value}"])


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(UsageError, match=r"extract\.batch_size: .*; extract\.seed: "):
        resolve_extract(flags={"batch_size": 0, "seed": -1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_size=64", "--set image_size=64: expected extract.KEY=VALUE"),
        ("extract.image_size", "--set extract.image_size: expected extract.KEY=VALUE"),
        ("extract.=64", "expected extract.KEY=VALUE"),
        ("head.C=1", "--set head.C=1: this command's settings are under 'extract.', not 'head.'"),
        ("extract.layer=[", "--set extract.layer=[: not YAML"),
    ],
)
def test_a_malformed_override_is_refused_as_it_was_written(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_extract(overrides=[text])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "just text", "[extract, head]", "extract: 3", "extract:", "extract: [seed, 1]"], ids=repr
)
def test_a_recipe_that_is_no_mapping_of_mappings_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.yaml: a recipe is a mapping of sections \(extract, head, finetune\)"):
        load_recipe(write_recipe(tmp_path, text))


@pytest.mark.parametrize("data", [b"extract: [1", b"a: b: c", b"\xff\xfe\xff", b"extract: !!python/name:os.system"])
def test_a_recipe_that_is_no_yaml_is_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.yml"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"broken\.yml: not YAML: ") as caught:
        load_recipe(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_that_comes_with_fbn_is_valid(name: str) -> None:
    sections = load_recipe(name)
    assert sections
    for section in sections:
        resolve_settings(recipe.SECTIONS[section], section=section, recipe=name)


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_opens_with_what_it_is_its_command_and_whether_it_was_measured(name: str) -> None:
    lines = find_recipe(name).read_text(encoding="utf-8").splitlines()
    header = list(takewhile(lambda line: line.startswith("# "), lines))
    assert header[0].removeprefix("# ").strip()
    assert any(re.search(rf"fbn [a-z-]+ .*--recipe {re.escape(name)}$", line) for line in header)
    assert any(re.search(r"Measured(?: \d{4}-\d{2}-\d{2} on |: not measured\.$)", line) for line in header)
