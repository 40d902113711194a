"""Names of labels: those of the truth and those of the results made one (``--map pedestrian=person``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Names:
    """What labels are called in both the truth and the results.

    Attributes:
        renamed: Name → the name it goes by; nothing where it is left out. Class numbers are names, too.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> Names:
        """Read ``pedestrian=person,4=car,tram=``.

        Raises:
            ConfigError: A part is not ``FROM=TO``.
        """
        renamed: dict[str, str] = {}
        for part in filter(None, (text or "").split(",")):
            old, sign, new = (word.strip() for word in part.partition("="))
            if not sign or not old:
                raise ConfigError(
                    f"--map: {part!r} is not FROM=TO; write pedestrian=person,truck=car, or tram= to leave a label out"
                )
            renamed[old] = new
        return cls(renamed)

    def __call__(self, label: str, number: int | None = None) -> str | None:
        """What a label goes by, or ``None`` where it is left out.

        Args:
            label: Its name.
            number: Its class number in the truth, which may be renamed, too.
        """
        if number is not None and str(number) in self.renamed:
            return self.renamed[str(number)] or None
        return self.renamed.get(label, label) or None
