"""Why a request is refused, as one sentence."""

from __future__ import annotations

from config.errors import SightlineError


class Refusal(SightlineError):
    """A request that is not served; it is answered as ``{"detail": ..., "path": ...}``.

    Attributes:
        status: Of HTTP.
        detail: One sentence, without secrets.
        path: The place in the site file that it is about, ``cameras.gate.lines`` say.
        retry_s: Seconds after which it is worth another try, where that is known.
    """

    def __init__(self, status: int, detail: str, path: str | None = None, retry_s: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.path, self.retry_s = status, detail, path, retry_s
