"""A flatbuffer read by the numbers of its tables' fields, without the classes made from its schema.

Those of TFLite take 20 MB of memory to import, which a small box does not have; few fields are wanted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class FlatTable:
    """One table; a field that is absent is empty, or 0. The bytes must be a sound flatbuffer."""

    def __init__(self, table: Any) -> None:
        """Wrap a ``flatbuffers.table.Table``."""
        self._table = table

    @classmethod
    def root(cls, data: bytes) -> FlatTable:
        """The root table of a flatbuffer."""
        from flatbuffers.table import Table

        return cls(Table(data, int(np.frombuffer(data, "<u4", 1)[0])))

    def number(self, field: int, dtype: str = "uint32") -> int:
        """A whole number of this type."""
        offset = self._offset(field)
        place = int(self._table.Pos) + offset
        return int(np.frombuffer(self._table.Bytes, np.dtype(dtype).newbyteorder("<"), 1, place)[0]) if offset else 0

    def numbers(self, field: int, dtype: str) -> NDArray[Any]:
        """A vector (N,) of numbers of this type."""
        kind = np.dtype(dtype).newbyteorder("<")
        offset = self._offset(field)
        if not offset:
            return np.empty(0, kind)
        return np.frombuffer(self._table.Bytes, kind, self._table.VectorLen(offset), self._table.Vector(offset))

    def length(self, field: int) -> int:
        """How long a vector is."""
        offset = self._offset(field)
        return int(self._table.VectorLen(offset)) if offset else 0

    def text(self, field: int) -> str:
        """A string."""
        offset = self._offset(field)
        return str(self._table.String(self._table.Pos + offset), "utf-8", "replace") if offset else ""

    def table(self, field: int) -> FlatTable | None:
        """Another table, or what a union holds."""
        offset = self._offset(field)
        return self._at(self._table.Pos + offset) if offset else None

    def tables(self, field: int) -> list[FlatTable]:
        """A vector of tables."""
        offset = self._offset(field)
        start = self._table.Vector(offset) if offset else 0
        return [self._at(start + 4 * number) for number in range(self.length(field))]

    def _offset(self, field: int) -> int:
        """Where a field is, from the table's place; 0 where it is absent."""
        return int(self._table.Offset(4 + 2 * field))

    def _at(self, place: int) -> FlatTable:
        return FlatTable(type(self._table)(self._table.Bytes, self._table.Indirect(place)))
