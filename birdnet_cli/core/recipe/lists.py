"""Types of settings that are lists, which a text such as `100,150` may write."""

from typing import Annotated

from pydantic import BeforeValidator

__all__ = ["CommaList", "NumberList"]


def _split_commas(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _split_numbers(value: object) -> object:
    return (value,) if isinstance(value, int | float) else _split_commas(value)


CommaList = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
NumberList = Annotated[tuple[float, ...], BeforeValidator(_split_numbers)]
