"""The base of all settings models: frozen, a misspelt key is an error, and a setting may imply another."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Settings"]


class Settings(BaseModel):
    """Base of every settings model.

    Each field's `description` is a sentence that documents the setting and is the help of its option.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def with_implied(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return settings that were given together, with the settings that they imply.

        Args:
            given: field name -> value as given, not yet validated.
        """
        return given

    @model_validator(mode="before")
    @classmethod
    def _add_implied(cls, values: Any) -> Any:
        return cls.with_implied(values) if isinstance(values, dict) else values
