"""What goes to a broker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message.

    Attributes:
        topic: Full topic, prefix included.
        payload: JSON object, plain text, or empty (clears a retained topic).
        qos: 0 or 1.
        retain: Whether the broker keeps it for later subscribers.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False

    def replayed(self) -> Message:
        """The same message marked as sent late: ``"replayed": true`` is added to its JSON object."""
        if not self.payload.endswith(b"}"):
            return self
        return Message(self.topic, self.payload[:-1] + b',"replayed":true}', self.qos, self.retain)
