"""[retention]: how long pictures are kept, how much room the record may take, how many backups (docs/record.md)."""

from pydantic import Field

from firmware_config.section import Section


class Retention(Section):
    normal_days: float = Field(30.0, ge=0, le=36500)
    """Crops of normal cells and smudges, rows of frames that were not analysed. 0: as long as there is room."""
    field_days: float = Field(180.0, ge=0, le=36500)
    """Kept fields. 0: as long as there is room."""
    finding_days: float = Field(0.0, ge=0, le=36500)
    """Crops of findings that nobody reviewed. 0: as long as there is room."""
    budget_gib: float = Field(0.0, ge=0, le=100000)
    """Of the whole record folder. 0: the disk's size."""
    free_mib: int = Field(512, ge=16, le=1000000)
    """So much of the disk is kept free."""
    backups: int = Field(7, ge=0, le=365)
    """Nightly copies of the database that are kept. 0: none is made."""
