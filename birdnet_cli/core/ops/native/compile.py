"""A plan -> a library: ninja runs in a temporary sibling folder, which a rename turns into the finished folder."""

import contextlib
import hashlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import torch

from birdnet_cli.core.errors import KernelError, UsageError
from birdnet_cli.core.ops.native.folders import discard, publish, remove_abandoned, temporary_sibling
from birdnet_cli.core.ops.native.plan import BuildPlan
from birdnet_cli.core.ops.native.store import BuiltLibrary, find_built, library_name, store_folder
from birdnet_cli.core.ops.native.toolchain import find_ninja

__all__ = ["obtain_library"]

WORK = "work"
ENDING_SECONDS = 10


def obtain_library(plan: BuildPlan, announce: Callable[[str], object]) -> BuiltLibrary:
    """Return the library at a plan's address, building it into the store if it is not there.

    Two processes may build the same library at once: the first rename wins, and both use its library. A killed process
    leaves a temporary folder, which a later build removes, and no lock.

    Args:
        plan: what to build.
        announce: called with a line of text before a compilation, which takes seconds.

    Raises:
        KernelError: the compiler fails, or the store cannot be written.
        UsageError: MAX_JOBS is not a number.
    """
    built = find_built(plan.address, plan.sources.device)
    if built is None:
        announce(f"compiling the {plan.sources.device} kernels with {plan.tool}, once")
        built = _compile(plan)
    return built


def _compile(plan: BuildPlan) -> BuiltLibrary:
    device, address = plan.sources.device, plan.address
    folder = store_folder()
    target = folder / address
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        if target.is_dir():
            # The library or its record is damaged, by a crash of the machine for instance.
            discard(target)
        with temporary_sibling(target) as temporary:
            _run_build(plan, temporary)
            publish(temporary, target)
    except OSError as error:
        raise KernelError(
            f"cannot build the {device} kernels in {folder}: {error}",
            "name a folder that can be written, with free space, in FBN_CACHE_DIR",
        ) from error
    built = find_built(address, device)
    if built is None:
        raise KernelError(f"{target}: removed or changed while it was built", "try again")
    return built


def _run_build(plan: BuildPlan, folder: Path) -> None:
    started = time.monotonic()
    device = plan.sources.device
    name = library_name(device)
    work = folder / WORK
    for path, content in plan.sources.files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(content)
    for link, destination in plan.links.items():
        (work / link).parent.mkdir(parents=True, exist_ok=True)
        (work / link).symlink_to(destination)
    (work / "build.ninja").write_text(_ninja_file(plan, name), encoding="utf-8")
    log = _run_ninja(plan, work)
    library = (work / name).rename(folder / name)
    shutil.rmtree(work)
    BuiltLibrary(
        path=library,
        device=device,
        tool=plan.tool,
        flags=plan.flags,
        architectures=plan.architectures,
        cuda=torch.version.cuda if device == "cuda" else None,
        seconds=round(time.monotonic() - started, 2),
        log=log,
        sha256=hashlib.sha256(library.read_bytes()).hexdigest(),
    ).write_record(folder)


def _ninja_file(plan: BuildPlan, name: str) -> str:
    # Paths are relative to the folder of the ninja file, so that blanks can come from names of sources alone.
    objects = {unit: f"{unit}.o" for unit in plan.sources.units}
    builds = [f"build {_escape(output)}: compile {_escape(unit)}" for unit, output in objects.items()]
    return "\n".join([
        f"rule compile\n  command = {_command(plan.compile)} -c $in -o $out",
        f"rule link\n  command = {_command(plan.link)} $in -o $out {_command(plan.libraries)}",
        *builds,
        f"build {name}: link {' '.join(map(_escape, objects.values()))}\n",
    ])  # fmt: skip


def _command(words: tuple[str, ...]) -> str:
    return shlex.join(words).replace("$", "$$")


def _escape(path: str) -> str:
    return path.replace("$", "$$").replace(" ", "$ ").replace(":", "$:")


def _run_ninja(plan: BuildPlan, folder: Path) -> str:
    process = subprocess.Popen(
        [find_ninja(), "--quiet", *_jobs()],
        cwd=folder, env=os.environ | {"LC_ALL": "C"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate()
    except BaseException:
        # On SIGTERM, ninja ends its compilers; on SIGKILL, it would leave them running.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=ENDING_SECONDS)
        process.kill()
        process.communicate()
        raise
    if process.returncode != 0:
        reason = f"{plan.tool} fails to compile the {plan.sources.device} kernels"
        raise KernelError(reason, "fbn kernels build shows all that it says", log=_compiler_output(output))
    return output


def _jobs() -> list[str]:
    text = os.environ.get("MAX_JOBS", "").strip()
    if not text:
        return []
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"MAX_JOBS={text}: expected a number of processes, 1 or more")
    return ["-j", text]


def _compiler_output(output: str) -> str:
    # ninja adds a line FAILED with the target, a line with the whole command, and a last line of its own.
    lines = iter(output.splitlines())
    kept = []
    for line in lines:
        if line.startswith("FAILED: "):
            next(lines, "")
        elif line.strip() and not line.startswith("ninja: "):
            kept.append(line)
    return "\n".join(kept)
