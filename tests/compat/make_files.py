"""Writes small files of every kind with the installed fbn, and beside them what this fbn answers about them.

    python -m tests.compat.make_files tests/compat/v0_1_0

`v0_1_0` was written once, by fbn 0.1.0 at commit f78de85, and is never made anew: what another version writes is no
file of 0.1.0. A version that changes a format adds a folder of its own, which this program writes with that version
installed; it uses fbn's command line alone, and so runs with every version.

The folder then holds:

    images.csv, images/    43 images of three classes, one of them torn
    images.rec             560 tiny images of two classes, with images.idx and classes.txt
    weights.safetensors    a first layer for vgg16 and one for mobilenet_v3_small, of few values
    *.h5                   finished feature caches
    killed.h5.parts/       an extraction of images.rec that was killed after its first shard
    *.safetensors          models
    evaluation-*.json      results of `fbn evaluate --json`
    killed/, stopped/      run directories: a training that was killed, and one that SIGTERM stopped
    expected.json          the commands that wrote all this, further commands with their answers, and how both trainings
                           end where nothing interrupts them

Whoever uses the images must first give them back their modification time, which git does not keep: `set_times`.
"""

import argparse
import json
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.command_line import Finished
from tests.compat.answers import digest_rows, parse_answer, read_metrics
from tests.compat.command_lines import run_all, start
from tests.compat.commands import EXTRACTIONS, FINETUNED, KILLED, RUNS, SOLVED, list_questions, predict
from tests.compat.inputs import set_times, write_images, write_tiny_images, write_weights

__all__ = ["FIRST_SHARD"]

FIRST_SHARD = slice(512)


def main() -> None:
    """Fill a folder that does not exist yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder.absolute()
    folder.mkdir()
    _write_inputs(folder)
    run_all([(folder, line) for line in (*EXTRACTIONS.values(), *SOLVED.values(), *FINETUNED.values())])
    for file in FINETUNED:
        run = folder / f"run-{Path(file).stem}"
        shutil.move(run / "best.safetensors", folder / file)
        shutil.rmtree(run)
    _interrupt(KILLED, folder, signal.SIGKILL, when=lambda: (folder / "killed.h5.parts/shard-000000.h5").exists())
    checkpoint = folder / "killed/checkpoints/step-00000010.json"
    _interrupt(RUNS["killed"], folder, signal.SIGKILL, when=checkpoint.exists)
    _interrupt(RUNS["stopped"], folder, signal.SIGTERM, when=lambda: _logged(folder / "stopped") >= 8)
    # On another machine the number of that process and the name of its machine mean nothing.
    (folder / "killed.h5.parts/holder.json").write_text('{"pid": 4194305, "host": "elsewhere"}')
    (version,) = run_all([(folder, "--version")])
    expected = {
        "version": version.out.strip(),
        "commands": EXTRACTIONS | SOLVED | {"killed.h5": KILLED} | RUNS,
        "descriptors": {cache: digest_rows(folder / cache) for cache in EXTRACTIONS},
        "finished": _finish(folder),
        "answers": _answer(folder),
    }
    (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_inputs(folder: Path) -> None:
    write_images(folder)
    write_weights(folder / "weights.safetensors")
    with tempfile.TemporaryDirectory() as place:
        write_tiny_images(Path(place))
        run_all([(folder, f"data convert {shlex.quote(place)} images.rec -j 0 -q")])
    (folder / "images.lst").unlink()
    set_times(folder)


def _interrupt(line: str, folder: Path, number: signal.Signals, *, when: Callable[[], bool]) -> None:
    child = start(folder, line)
    while not when():
        if child.poll() is not None:
            raise RuntimeError(f"fbn {line}: ended with {child.returncode} before it was interrupted")
        time.sleep(0.0005)
    child.send_signal(number)
    if child.wait() not in (-number, 128 + number):
        raise RuntimeError(f"fbn {line}: ended with {child.returncode} before {number.name} reached it: run again")


def _logged(run: Path) -> int:
    return max((int(row["step"]) for row in read_metrics(run)), default=0) if (run / "metrics.csv").exists() else 0


def _finish(folder: Path) -> dict[str, Any]:
    """Finish copies of what was interrupted, do the same without interruption, and return how both end."""
    with tempfile.TemporaryDirectory() as place:
        resumed, whole = (Path(shutil.copytree(folder, Path(place) / name)) for name in ("resumed", "whole"))
        for name in ("killed.h5.parts", *RUNS):
            shutil.rmtree(whole / name)
        asked = {run: predict(f"{run}/best.safetensors") for run in RUNS}
        finished = run_all([
            (resumed, KILLED),
            *((resumed, f"finetune images.csv -o {run} --resume -q") for run in RUNS),
            *((whole, line) for line in (KILLED, *RUNS.values(), *asked.values())),
        ])  # fmt: skip
        models = [f"{run}/{name}.safetensors" for run in RUNS for name in ("best", "last")]
        for name in ("killed.h5", *models):
            if (resumed / name).read_bytes() != (whole / name).read_bytes():
                raise RuntimeError(f"{name} is another one without an interruption")
        ends = {
            run: {"metrics": read_metrics(whole / run), "command": asked[run], "predictions": json.loads(done.out)}
            for run, done in zip(RUNS, finished[-len(RUNS) :], strict=True)
        }
        return ends | {"killed.h5": digest_rows(whole / "killed.h5", FIRST_SHARD)}


def _answer(folder: Path) -> dict[str, Any]:
    questions = list_questions()
    finished = run_all([(folder, line) for line, _ in questions.values()])
    answers = {
        name: {"command": line, "code": done.code, "answer": answer, **_values(folder / answer, done)}
        for (name, (line, answer)), done in zip(questions.items(), finished, strict=True)
    }
    for _, answer in questions.values():
        place = folder / answer
        if place.parent != folder:
            shutil.rmtree(place.parent)
        elif not _stays(place):
            place.unlink(missing_ok=True)
    return answers


def _values(place: Path, done: Finished) -> dict[str, Any]:
    if _stays(place):
        return {}
    text = done.out if place.stem == "stdout" else place.read_text(encoding="utf-8")
    return {"values": parse_answer(text, place.suffix)}


def _stays(answer: Path) -> bool:
    """Whether an answer is an evaluation, which is kept as the file that fbn wrote."""
    return answer.name.startswith("evaluation-")


if __name__ == "__main__":
    main()
