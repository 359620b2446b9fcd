"""ImageNet's classes, read from timm when a model is compiled. A user's own: answers/own_labels."""

from resnext.compiling.timm_models import import_timm
from resnext.records import Label


def imagenet_labels(num_classes: int) -> tuple[Label, ...]:
    """The classes of ImageNet's subset with that many classes; numbered placeholders where there is none.

    Names, lemmas and definitions are WordNet's, as timm.data.ImageNetInfo carries them.
    """
    data = import_timm().data
    subset = data.infer_imagenet_subset({"num_classes": num_classes})
    if subset is None:
        return tuple(Label(index, f"class {index}", f"class {index}") for index in range(num_classes))
    info = data.ImageNetInfo(subset)
    labels = []
    for index, synset in enumerate(info.label_names()):
        description = info.label_name_to_description(synset)
        detailed = info.label_name_to_description(synset, detailed=True)
        labels.append(
            Label(index, description.split(",")[0], description, synset, detailed.removeprefix(f"{description}: "))
        )
    return tuple(labels)
