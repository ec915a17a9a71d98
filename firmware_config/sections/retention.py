"""Table [retention]: retention of pictures, disk space of the record, number of backups (docs/record.md)."""

from pydantic import Field

from firmware_config.section import Section


class Retention(Section):
    """Retention of pictures, disk space of the record, number of backups (docs/record.md)."""

    normal_days: float = Field(30.0, ge=0, le=36500)
    """Days to keep crops of normal cells and smudges, and rows of skipped frames. 0 keeps them while space lasts."""
    field_days: float = Field(180.0, ge=0, le=36500)
    """Days to keep saved fields. 0 keeps them while space lasts."""
    finding_days: float = Field(0.0, ge=0, le=36500)
    """Days to keep crops of findings without a review. 0 keeps them while space lasts."""
    budget_gib: float = Field(0.0, ge=0, le=100000)
    """Maximum size of the record folder, in GiB. 0 uses the size of the disk."""
    free_mib: int = Field(512, ge=16, le=1000000)
    """Disk space to keep free, in MiB."""
    backups: int = Field(7, ge=0, le=365)
    """Number of nightly database backups to keep. 0 makes no backups."""
