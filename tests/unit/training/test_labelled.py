"""Labelled photos: the order of classes, and what can't be trained on."""

from resnext.records import Source
from resnext.training.labelled import COPY, TWO_LABELS, Named, class_order, labelled


def test_classes_are_in_natural_order() -> None:
    assert class_order(["img10", "Cat", "img2", "ape", "cat", "img2"]) == ("ape", "Cat", "cat", "img2", "img10")


def test_one_content_is_one_photo_of_one_class() -> None:
    found = [
        Named(Source("cat/1.jpg"), "cat"),
        Named(Source("cat/2.jpg"), "cat"),  # a copy
        Named(Source("cat/3.jpg"), "cat"),  # identical bytes under dog
        Named(Source("cat/broken.jpg"), "cat"),
        Named(Source("dog/3.jpg"), "dog"),
        Named(Source("dog/4.jpg"), "dog"),
        Named(Source("dog/5.jpg"), "dog"),  # twice in a table, with two labels
        Named(Source("dog/5.jpg"), "cat"),
        Named(Source("dog/4.jpg"), "dog"),  # twice in a table
    ]
    digests = {
        "cat/1.jpg": "a",
        "cat/2.jpg": "a",
        "cat/3.jpg": "b",
        "dog/3.jpg": "b",
        "dog/4.jpg": "c",
        "dog/5.jpg": "d",
    }
    photos = labelled(found, digests, ("cat", "dog"))
    assert [(photo.source.file, photo.label) for photo in photos.photos] == [("cat/1.jpg", 0), ("dog/4.jpg", 1)]
    assert photos.counts() == (1, 1)
    assert [(each.file, each.code) for each in photos.left_out] == [
        ("cat/2.jpg", COPY), ("cat/3.jpg", TWO_LABELS), ("dog/3.jpg", TWO_LABELS), ("dog/5.jpg", TWO_LABELS),
        ("dog/5.jpg", TWO_LABELS),
    ]  # fmt: skip
    assert photos.left_out[1].message == "labelled 'cat', and the same picture, dog/3.jpg, is labelled 'dog'"
    assert photos.left_out[3].message == "labelled 'dog', and it is labelled 'cat'"
