import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.command_line import Finished, environment, json_rows, run_fbn

Fbn = Callable[..., Finished]
COLUMNS = ["path", "status", "error", "rank", "label", "index", "prob", "model"]


def test_the_exit_code_is_0_when_every_image_is_read(fbn: Fbn, model: Path, photos: Path) -> None:
    assert fbn("predict", "photos/a.png", "photos/c.png", "-m", model).code == 0


def test_k_is_at_most_the_number_of_classes(fbn: Fbn, model: Path, photos: Path) -> None:
    for k, expected in (("1", 1), ("3", 3), ("99", 3)):
        (row,) = json_rows(fbn("predict", "photos/a.png", "-m", model, "-k", k, "--format", "jsonl").out)
        assert len(row["top"]) == expected


@pytest.mark.parametrize("how", ["file", "folder", "pattern", "list", "stdin"])
def test_a_name_that_is_no_utf8_comes_back_in_json(
    fbn: Fbn, model: Path, photos: Path, tmp_path: Path, how: str
) -> None:
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x90\xa6\n.png")
    (photos / "a.png").rename(photos / name)
    # A line ends where a name with a line end would go on: only such names cannot be listed.
    plain = name.replace("\n", "")
    if how in {"list", "stdin"}:
        (photos / name).rename(photos / plain)
        name = plain
    (tmp_path / "list.txt").write_bytes(os.fsencode(f"photos/{name}\n"))
    source = {"file": f"photos/{name}", "folder": "photos", "pattern": "photos/caf*", "list": "list.txt", "stdin": "-"}
    done = fbn("predict", source[how], "-m", model, "--format", "jsonl", input=(tmp_path / "list.txt").read_bytes())
    (row,) = [row for row in json_rows(done.out) if "caf" in str(row["path"])]
    assert row["status"] == "ok"
    assert (tmp_path / str(row["path"])).read_bytes() == (photos / "c.png").read_bytes()


def test_the_paths_of_stdin_are_rows_in_its_order(fbn: Fbn, model: Path, photos: Path) -> None:
    lines = b"photos/c.png\nphotos/absent.png\r\n\nphotos/a.png"
    done = fbn("predict", "-", "-m", model, "--format", "jsonl", input=lines)
    rows = json_rows(done.out)
    assert done.code == 3
    assert [row["path"] for row in rows] == ["photos/c.png", "photos/absent.png", "photos/a.png"]
    assert rows[1]["error"] == "no such file"


def test_a_file_gets_the_same_names_alone_and_in_its_folder(fbn: Fbn, model: Path, textures: Path) -> None:
    image = textures / "test" / "checks" / "002.png"
    (alone,) = json_rows(fbn("predict", image, "-m", model, "--format", "jsonl").out)
    rows = json_rows(fbn("predict", textures / "test", "-m", model, "--format", "jsonl", "-b", "5").out)
    (together,) = [row for row in rows if row["path"] == str(image)]
    assert [guess["label"] for guess in alone["top"]] == [guess["label"] for guess in together["top"]]


def test_a_rotated_photo_is_named_as_the_upright_one(fbn: Fbn, model: Path, textures: Path, tmp_path: Path) -> None:
    with Image.open(textures / "test" / "stripes" / "001.png") as upright:
        exif = Image.Exif()
        exif[0x0112] = 6
        upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "rotated.png", exif=exif)
        upright.save(tmp_path / "upright.png")
    first, second = json_rows(fbn("predict", "rotated.png", "upright.png", "-m", model, "--format", "jsonl").out)
    assert first["top"] == second["top"]


def test_the_model_is_the_option_then_the_variable_then_the_newest_here(
    fbn: Fbn, model: Path, photos: Path, tmp_path: Path
) -> None:
    def named(*options: object, **env: str) -> object:
        done = fbn("predict", "photos/a.png", "--format", "jsonl", *options, env=env)
        assert done.code == 0, done.err
        return json.loads(done.out)["model"]

    newest = tmp_path / "runs" / "x" / "newest.safetensors"
    newest.parent.mkdir(parents=True)
    other = tmp_path / "elsewhere" / "other.safetensors"
    other.parent.mkdir()
    for copy in (newest, other):
        copy.write_bytes(model.read_bytes())
    os.utime(model, (1, 1))
    assert named() == "newest.safetensors"
    assert named(FBN_MODEL=str(other)) == "other.safetensors"
    assert named("-m", model, FBN_MODEL=str(other)) == "m.safetensors"
    newest.unlink()
    assert named() == "m.safetensors"


def test_no_model_anywhere_says_how_to_name_one(fbn: Fbn, photos: Path) -> None:
    done = fbn("predict", "photos")
    assert (done.code, done.out) == (1, "")
    assert "name a file with -m or FBN_MODEL" in done.err


@pytest.mark.parametrize(("source", "message"), [("empty", "empty: no image"), ("*.gif", "matches no file")])
def test_a_source_without_an_image_is_an_error(
    fbn: Fbn, model: Path, tmp_path: Path, source: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    done = fbn("predict", source, "-m", model)
    assert done.code == 1
    assert message in done.err


def test_a_model_without_its_backbone_takes_it_from_weights(
    fbn: Fbn, whole_cache: Path, model: Path, photos: Path
) -> None:
    arguments = ["--pooling", "avg", "-C", "1000", "--cv", "2", "--no-embed-backbone"]
    assert fbn("train-head", whole_cache, "-o", "light.safetensors", *arguments).code == 0
    light, full = (
        json.loads(fbn("predict", "photos/a.png", "-m", name, "--weights", "none", "--format", "jsonl").out)["top"]
        for name in ("light.safetensors", model)
    )
    assert light == full


def test_worker_processes_change_nothing(fbn: Fbn, model: Path, photos: Path) -> None:
    inline, worker = (fbn("predict", "photos", "-m", model, "--format", "csv", "-j", n).out for n in ("0", "1"))
    assert inline == worker


def test_a_process_of_its_own_answers_from_a_copied_file_alone(tmp_path: Path, model: Path, photos: Path) -> None:
    env = environment(FBN_OFFLINE="1", TORCH_HOME=str(tmp_path / "nothing"), LANG="C", PYTHONIOENCODING="utf-8:strict")
    env.pop("HOME", None)
    (photos / "a.png").rename(photos / os.fsdecode(b"caf\xe9.png"))
    done = run_fbn("predict", "-", "--format", "jsonl", cwd=tmp_path, env=env, input=b"photos/caf\xe9.png\n")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["path"] == "photos/caf\udce9.png"


def test_explain_paints_every_image_that_was_named(fbn: Fbn, model: Path, photos: Path, tmp_path: Path) -> None:
    done = fbn("predict", photos, "-m", model, "--explain", "why", "--versus", "rings", "--format", "jsonl")
    assert done.code == 3
    assert sorted(path.name for path in (tmp_path / "why").iterdir()) == [
        "00001-a.png", "00002-c.png", "evidence.jsonl",
    ]  # fmt: skip


def test_versus_without_explain_is_a_usage_error(fbn: Fbn, model: Path, photos: Path) -> None:
    done = fbn("predict", photos, "-m", model, "--versus", "rings")
    assert done.code == 2
    assert "--explain DIR" in done.err


@pytest.mark.parametrize("size", ["0", "-1"])
def test_a_batch_without_an_image_is_a_usage_error_and_no_empty_answer(
    fbn: Fbn, model: Path, photos: Path, textures: Path, size: str
) -> None:
    for command in (["predict", "photos"], ["evaluate", textures, "-j", "0"]):
        done = fbn(*command, "-m", model, "-b", size)
        assert (done.code, done.out) == (2, "")
        assert done.err == f"error: expected a batch of 1 or more images, got {size}\n"
