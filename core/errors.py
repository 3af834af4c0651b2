"""What can go wrong, told apart: a fault of the user's file or machine, a cancelled job, anything else is our bug."""

from __future__ import annotations

from dataclasses import dataclass

# The arrays that a sentence lists at most.
MAX_LISTED = 12
MAX_REASON = 200


class UserError(Exception):
    """Something about the user's file or machine. The message is one sentence: what is wrong, where, what to do."""


class CompileUnavailable(UserError):
    """Compiling does not work on this machine; uncompiled computing does."""


class Cancelled(Exception):
    """The job was cancelled, or overtaken by a newer one of its key."""


@dataclass(frozen=True)
class ArrayChoice:
    """One of several arrays in a file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    preview: str = ""  # the beginning of its first row
    is_source: bool = False  # what others in the file were made from

    def __str__(self) -> str:
        return f"{self.name} ({' x '.join(map(str, self.shape))} {self.dtype})"


def likeliest(choices: tuple[ArrayChoice, ...]) -> ArrayChoice:
    """The one to offer first: not what others were made from, floats rather than whole numbers, the widest, the longest."""
    return max(choices, key=lambda choice: (not choice.is_source, "float" in choice.dtype, *choice.shape[::-1]))


class ChoiceNeeded(UserError):
    """A file holds several arrays that could be meant; `choices` lists them."""

    def __init__(self, path: str, choices: tuple[ArrayChoice, ...]) -> None:
        listed = ", ".join(map(str, choices[:MAX_LISTED])) + (" and more" if len(choices) > MAX_LISTED else "")
        super().__init__(f"{path} holds {len(choices)} arrays: {listed}. Name the one to open (--array NAME).")
        self.choices = choices


class JoinNeeded(UserError):
    """Labels have more or fewer lines than there are rows; `columns` names those that could say which row a line is about."""

    def __init__(self, message: str, columns: tuple[str, ...]) -> None:
        super().__init__(message)
        self.columns = columns


def reason(error: Exception) -> str:
    """What an exception of the system or a library says, in one short line: it may quote a file, control characters and all."""
    said = getattr(error, "strerror", None) or str(error)
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return line[:MAX_REASON].rstrip(". ")
