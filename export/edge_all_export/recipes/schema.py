"""Keys of a recipe: their types and ranges, checked by pydantic; each docstring states what a value must be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Number = int | float
"""An integer stays one, because the hash of a recipe is of the values as they are written."""
Share = Annotated[Number, Field(ge=0, le=1)]
FolderName = Annotated[str, StringConstraints(pattern=r"^[^./][^/]*$")]


class Common(BaseModel):
    """Keys of every recipe. Keys of the tables [data] and [simulator] have a dot in their alias."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False)

    task: Literal["detector", "classifier", "kinds"]
    '''"detector", "classifier" or "kinds"'''
    version: str
    """a string"""
    seed: Annotated[int, Field(ge=0, le=2**31)]
    """an integer of at least 0"""
    epochs: Annotated[int, Field(ge=0, le=10000)]
    """an integer from 0 to 10000"""
    steps_per_epoch: Annotated[int, Field(ge=1, le=100000)]
    """an integer from 1 to 100000"""
    batch: Annotated[int, Field(ge=1, le=4096)]
    """an integer from 1 to 4096"""
    rate: Annotated[Number, Field(gt=0, le=1)]
    """a number greater than 0 and at most 1"""
    weight_decay: Share
    """a number from 0 to 1"""
    average: Annotated[Number, Field(ge=0, le=0.9999)]
    """a number from 0 to 0.9999"""
    patience: Annotated[int, Field(ge=0, le=10000)] = 0
    """an integer of at least 0 (0: never stop early)"""
    shares: dict[str, Annotated[Number, Field(ge=0, le=1e6)]]
    """numbers of at least 0, by source"""
    data_sources: list[FolderName] = Field([], alias="data.sources")
    """a list of folder names under EDGE_ALL_DATA"""
    data_paths: list[str] = Field([], alias="data.paths")
    """a list of additional folders"""
    data_leave_out: list[str] = Field([], alias="data.leave_out")
    '''a list of "source" or "source/group"'''
    data_hold_out: list[str] = Field([], alias="data.hold_out")
    '''a list of "source" or "source/group"'''
    data_split: Literal["group", "image"] = Field("group", alias="data.split")
    '''"group" or "image"'''
    data_um_per_px: dict[str, Annotated[Number, Field(ge=0.005, le=2)]] = Field({}, alias="data.um_per_px")
    """micrometers per pixel by source, 0.005 to 2"""
    simulator_seeds: Annotated[list[Annotated[int, Field(ge=0, le=10**9)]], Field(min_length=2, max_length=2)] = Field(
        [0, 0], alias="simulator.seeds"
    )
    """[first, last + 1]"""
    simulator_fields: Annotated[int, Field(ge=1, le=10**6)] = Field(1, alias="simulator.fields")
    """an integer of at least 1"""
    simulator_query: str = Field("", alias="simulator.query")
    """a string"""
    simulator_defocus: list[Annotated[Number, Field(ge=0, le=10)]] = Field([0.0], alias="simulator.defocus")
    """a list of numbers from 0 to 10"""


class DetectorRecipe(Common):
    """Keys of a recipe of the detector."""

    found: Share
    """a number from 0 to 1"""


class ClassifierRecipe(Common):
    """Keys of a recipe of a blast classifier."""

    network: str = "blast-net"
    """the name of an architecture"""
    pretrained: bool = True
    """true or false"""
    frozen_blocks: Annotated[int, Field(ge=0, le=16)] = 0
    """an integer from 0 to 16"""
    cells: Literal["all", "segmented"] = "all"
    """"all" or "segmented" (only cells cut out)"""
    probe_batches: Annotated[int, Field(ge=0, le=10000)] = 0
    """an integer of at least 0 (0: no linear probe first)"""
    probe_nuisance: Annotated[Number, Field(ge=0, le=10)] = 0.0
    """a number from 0 to 10"""
    probe_sources: Annotated[Number, Field(ge=0, le=10)] = 0.0
    """a number from 0 to 10"""
    probe_rounding: Annotated[Number, Field(ge=0, le=1000)] = 0.0
    """a number from 0 (0: off) to 1000"""
    probe_penalty: Annotated[Number, Field(gt=0, le=10)] = 1e-3
    """a number greater than 0 and at most 10"""
    untouched_penalty: Annotated[Number, Field(ge=0, le=10)] = 0.0
    """a number from 0 to 10 (blast-pair; 0: 0.001)"""
    dropout: Annotated[Number, Field(ge=0, le=0.9)] = 0.3
    """a number from 0 to 0.9"""
    head_rate: Annotated[Number, Field(ge=0.01, le=100)] = 1.0
    """a number from 0.01 to 100"""
    label_smoothing: Annotated[Number, Field(ge=0, le=0.5)] = 0.0
    """a number from 0 to 0.5"""
    background: dict[str, Annotated[int, Field(ge=0, le=1000)]] = {}
    """integers, by source"""


class KindsRecipe(Common):
    """Keys of a recipe of the classifier of kinds."""

    pretrained: bool = True
    """true or false"""
    views: Annotated[int, Field(ge=1, le=100)] = 2
    """an integer from 1 to 100"""
    dropout: Annotated[Number, Field(ge=0, le=0.9)] = 0.3
    """a number from 0 to 0.9"""
    head_rate: Annotated[Number, Field(ge=0.01, le=100)] = 1.0
    """a number from 0.01 to 100"""
    label_smoothing: Annotated[Number, Field(ge=0, le=0.5)] = 0.0
    """a number from 0 to 0.5"""


OF_TASK: dict[str, type[Common]] = {
    "detector": DetectorRecipe,
    "classifier": ClassifierRecipe,
    "kinds": KindsRecipe,
}


def wanted_values(schema: type[Common]) -> dict[str, str]:
    """Return what the value of each key must be, in words, in the order of the keys."""
    return {field.alias or name: field.description or "" for name, field in schema.model_fields.items()}


def values_of(recipe: Common) -> dict[str, Any]:
    """Return all values of a checked recipe by key, defaults included."""
    return recipe.model_dump(by_alias=True)
