"""Text as MQTT can carry it: UTF-8, at most 65,535 bytes, no NUL."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr

MAX_BYTES = 65_535
MAX_PREFIX = 200
"""Characters of a topic prefix: what comes behind it has to fit, too."""


def mqtt_fault(text: str) -> str | None:
    """Why MQTT cannot carry a text, in a sentence that does not show it; ``None`` when it can."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "has characters that are no Unicode text (UTF-8); write it anew"
    if size > MAX_BYTES:
        return f"must have at most {MAX_BYTES} bytes (MQTT allows no more), this has {size}"
    return "must not have a NUL character, which MQTT does not allow" if "\0" in text else None


def _fitting(text: str) -> str:
    if fault := mqtt_fault(text):
        raise ValueError(fault)
    return text


def _fitting_secret(secret: SecretStr) -> SecretStr:
    _fitting(secret.get_secret_value())
    return secret


MqttText = Annotated[str, AfterValidator(_fitting)]
MqttSecret = Annotated[SecretStr, AfterValidator(_fitting_secret)]
