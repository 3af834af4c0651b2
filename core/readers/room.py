"""Whether what cannot be mapped fits in memory, asked before anything is allocated."""

from __future__ import annotations

import psutil

from core.errors import UserError

# Values that are unpacked or parsed may take this share of the memory that is free when a file is opened.
MEMORY_SHARE = 0.5


def check_room(where: str, needed: int, why: str = "cannot be mapped") -> None:
    """Raise UserError if `needed` bytes are more than may be used now. `why` says what makes `where` take memory."""
    room = MEMORY_SHARE * psutil.virtual_memory().available
    if needed > room:
        raise UserError(
            f"{where} {why} and unpacks to {needed / 1e9:,.1f} GB, of which {room / 1e9:.1f} GB may be used now; "
            "save it uncompressed with numpy.save, which is mapped."
        )
