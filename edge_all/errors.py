"""Errors a user can mend. The command line prints them as one line and shows no traceback."""

from __future__ import annotations


class EdgeAllError(Exception):
    """Something failed; the message says what and where, ``remedy`` what to do. Exit code 1."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}" if self.remedy else self.message


class UsageError(EdgeAllError):
    """The call itself is wrong (an unknown camera kind, a threshold out of range). Exit code 2."""

    exit_code = 2


class CameraError(EdgeAllError):
    """A camera cannot be opened or read."""


class ModelError(EdgeAllError):
    """A model file is none, damaged or of another contract."""


class EngineError(EdgeAllError):
    """An engine that ran does not any more (out of GPU memory, a driver that failed)."""


class EngineUnavailableError(EdgeAllError):
    """An engine cannot run here: a library, a driver or a GPU is missing or too old."""


class RecordError(EdgeAllError):
    """The record folder cannot be opened, read or written."""


class DiskFullError(RecordError):
    """The disk of the record has no room."""


class DamagedRecordError(RecordError):
    """The record's database is damaged."""


class NotRecordedError(RecordError):
    """The record holds no such session, cell or picture."""


class ReviewError(EdgeAllError):
    """A review's step cannot be taken: the session is approved, still runs, or the words make no verdict."""


class CalibrationError(EdgeAllError):
    """A calibration cannot be measured, stored or read."""


class ProfileError(EdgeAllError):
    """A profile cannot be read or holds an impossible value."""
