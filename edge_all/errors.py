"""Errors that a user can fix. The command line prints them on one line, without a traceback."""

from __future__ import annotations


class EdgeAllError(Exception):
    """Failure with a message that describes what failed and where, and a ``remedy`` that states what to do.

    Exit code 1.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}" if self.remedy else self.message


class UsageError(EdgeAllError):
    """Invalid call, such as an unknown camera type or a threshold out of range. Exit code 2."""

    exit_code = 2


class CameraError(EdgeAllError):
    """Camera that cannot be opened or read."""


class ModelError(EdgeAllError):
    """File that is not a model, is damaged or has a different contract."""


class EngineError(EdgeAllError):
    """Engine that failed while running, for example out of GPU memory or because of a driver failure."""


class EngineUnavailableError(EdgeAllError):
    """Engine that cannot run on this machine because a library, driver or GPU is missing or too old."""


class RecordError(EdgeAllError):
    """Record folder that cannot be opened, read or written."""


class DiskFullError(RecordError):
    """Full disk under the record folder."""


class DamagedRecordError(RecordError):
    """Damaged record database."""


class NotRecordedError(RecordError):
    """Session, cell or picture that is not in the record."""


class ReviewError(EdgeAllError):
    """Review step that is not allowed, because the session is approved or still running or the verdict is invalid."""


class CalibrationError(EdgeAllError):
    """Calibration that cannot be measured, stored or read."""


class ProfileError(EdgeAllError):
    """Profile that cannot be read or holds an impossible value."""
