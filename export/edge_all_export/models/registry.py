"""Registry of networks.

A new network is a file with a family, such as models/classifier/jetson_nano_cnn.py, and an entry in FAMILIES; a recipe
then names it. Training, export, comparison and release know networks only through their family.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from edge_all.errors import UsageError
from edge_all_export.models.base import ModelFamily

if TYPE_CHECKING:
    from edge_all_export.models.checkpoint import Checkpoint
    from edge_all_export.models.classifier.family import ClassifierFamily
    from edge_all_export.recipes.recipe import Recipe

_CLASSIFIER = "edge_all_export.models.classifier"

FAMILIES: dict[str, dict[str, str]] = {
    "classifier": {
        "blast-net": f"{_CLASSIFIER}.network:BLAST_NET",
        "blast-net-textured": f"{_CLASSIFIER}.network:BLAST_NET_TEXTURED",
        "blast-pair": f"{_CLASSIFIER}.pair:BLAST_PAIR",
        "jetson-nano-cnn": f"{_CLASSIFIER}.jetson_nano_cnn:JETSON_NANO_CNN",
        "alexnet": f"{_CLASSIFIER}.torchvision_networks:ALEXNET",
        "vgg16": f"{_CLASSIFIER}.torchvision_networks:VGG16",
        "resnet50": f"{_CLASSIFIER}.torchvision_networks:RESNET50",
        "inception-v3": f"{_CLASSIFIER}.torchvision_networks:INCEPTION_V3",
        "densenet121": f"{_CLASSIFIER}.torchvision_networks:DENSENET121",
        "mobilenet-v2": f"{_CLASSIFIER}.torchvision_networks:MOBILENET_V2",
        "efficientnet-lite0": f"{_CLASSIFIER}.efficientnet_lite0:EFFICIENTNET_LITE0",
    },
    "kinds": {"kinds-net": f"{_CLASSIFIER}.kinds_family:KINDS_NET"},
    "detector": {"leukocyte-net": "edge_all_export.models.detector:LEUKOCYTE_NET"},
}
"""Task of a recipe -> name of a network -> its family, as "module:object", so that it is imported on use.

A recipe that names no network trains the first of its task. "classifier" and "kinds" are trained differently, and their
files have the same task on a device, which their families name.
"""


def find_family(task: str, name: str) -> ModelFamily:
    """Return the family of a network.

    Raises UsageError when the task has no network of this name.
    """
    of_task = FAMILIES[task]
    if name not in of_task:
        raise UsageError(f"unknown network '{name}'", f"choose one of {', '.join(of_task)}")
    return cast("ModelFamily", pkgutil.resolve_name(of_task[name]))


def find_classifier(name: str) -> ClassifierFamily:
    """Return the family of a classifier. Raises UsageError when the name is unknown."""
    return cast("ClassifierFamily", find_family("classifier", name))


def classifiers(names: Iterable[str] = ()) -> list[ClassifierFamily]:
    """Return the families of the named classifiers, or of all. Raises UsageError for an unknown name."""
    return [find_classifier(name) for name in names or FAMILIES["classifier"]]


def family_of(checkpoint: Checkpoint) -> ModelFamily:
    """Return the family of a checkpoint's network. Raises UsageError when this version does not know it."""
    if checkpoint.task not in FAMILIES or checkpoint.architecture not in FAMILIES[checkpoint.task]:
        raise UsageError(
            f"the checkpoint has the unknown {checkpoint.task} network {checkpoint.architecture}",
            "use a checkpoint of this version",
        )
    return find_family(checkpoint.task, checkpoint.architecture)


def family_of_recipe(recipe: Recipe) -> ModelFamily:
    """Return the family of the network that a recipe trains. Raises UsageError for an unknown name."""
    task = str(recipe["task"])
    return find_family(task, recipe.values.get("network") or next(iter(FAMILIES[task])))
