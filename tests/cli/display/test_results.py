"""A result is JSON or a table, never both."""

import json

import pytest

from birdnet_cli.cli.display.results import print_result


@pytest.mark.parametrize("as_json", [True, False])
def test_a_result_is_printed_as_json_or_by_its_table(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    document = {"name": "caf\udce9", "rates": [1.5, None]}
    print_result(document, as_json=as_json, table=lambda: print("the table"))
    out, err = capsys.readouterr()
    assert err == ""
    if as_json:
        assert out.isascii()
        assert json.loads(out) == document
    else:
        assert out == "the table\n"
