"""YAML text -> plain values, for text that a stranger may have written."""

from typing import Any

import yaml

from birdnet_cli.core.errors import UsageError

__all__ = ["read_yaml"]

MOST_CHARACTERS = 2**20


class _PlainLoader(yaml.SafeLoader):
    """Refuses aliases, by which a few lines can expand to any amount of memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not read")
        return super().compose_node(parent, index)


def read_yaml(text: str, *, source: str) -> Any:
    """Return the values of a YAML document.

    Args:
        text: the document.
        source: name of the document in the error, such as its path.

    Raises:
        UsageError: not YAML, too long, nested too deeply, an alias, or a value out of the range of its type.
    """
    if len(text) > MOST_CHARACTERS:
        raise UsageError(f"{source}: not YAML of at most {MOST_CHARACTERS:,} characters")
    try:
        return yaml.load(text, _PlainLoader)
    except RecursionError as error:
        raise UsageError(f"{source}: not YAML: nested too deeply") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # A date that the calendar does not have raises ValueError.
        raise UsageError(f"{source}: not YAML: {' '.join(str(error).split())}") from error
