"""What all models of the YAML files have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from config.paths import without_nul

Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=64)]
FilePath = Annotated[Path, AfterValidator(without_nul)]


class Strict(BaseModel):
    """Base of all configuration models: unknown keys are errors and values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = cls.model_fields[info.field_name].annotation if info.field_name else None
        if isinstance(value, bool) and wanted in (int, float):
            raise ValueError(f"expected a number, not {str(value).lower()}")
        return value
