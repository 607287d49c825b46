"""Names with bytes that are not UTF-8 become text that every stream writes."""

import json
import os

from birdnet_cli.cli.display.printable import printable


def test_a_byte_that_is_not_utf8_becomes_its_escape_and_all_else_stays() -> None:
    name = os.fsdecode(b"caf\xe9/\xc3\xa9.jpg")
    assert printable(name) == "caf\\udce9/é.jpg"
    printable(name).encode("utf-8")


def test_json_text_stays_json_with_the_same_value() -> None:
    rows = {"path": os.fsdecode(b"caf\xe9.jpg")}
    assert json.loads(printable(json.dumps(rows, ensure_ascii=False))) == rows
