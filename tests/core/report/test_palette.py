"""The palette: the style's colours are all defined, for light and for dark pages, and stand nowhere else."""

import re
from pathlib import Path

import birdnet_cli.core.report
from birdnet_cli.core.report.html import read_style
from birdnet_cli.core.report.palette import DARK_PAGE, LIGHT_PAGE

ROOM = Path(birdnet_cli.core.report.__file__).parent


def test_every_colour_of_the_style_is_defined_for_light_and_for_dark_pages() -> None:
    style = read_style()
    light, dark = re.findall(r":root \{(.*?)\}", style)
    for scheme in (light, dark):
        assert set(re.findall(r"var\(--(\w+)\)", style)) == set(re.findall(r"--(\w+): #\w{6};", scheme))
    assert f"--ink: {LIGHT_PAGE['ink']};" in light
    assert f"--ink: {DARK_PAGE['ink']};" in dark
    assert re.search(r"@media \(prefers-color-scheme: dark\) \{ :root \{[^}]*" + DARK_PAGE["ink"], style)


def test_no_other_file_of_the_room_writes_a_colour() -> None:
    files = [path for path in ROOM.rglob("*.*") if path.suffix in {".py", ".css", ".js", ".j2"}]
    assert [path.name for path in files if re.search(r"#[0-9a-fA-F]{6}\b", path.read_text())] == ["palette.py"]
