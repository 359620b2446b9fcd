"""Recipes under timm's names: what is honoured, what is refused, and by which name."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from resnext.errors import UsageError
from resnext.training.full.recipe import Recipe, read_recipe, recipe_of
from resnext.training.full.recipe_names import CHECKS, ONLY_AS, PASSED_OVER
from support.program import REPO


def test_every_name_that_is_honoured_is_checked_and_the_defaults_pass() -> None:
    assert set(CHECKS) == {field.name for field in fields(Recipe)}
    assert not (CHECKS.keys() & ONLY_AS.keys() or CHECKS.keys() & PASSED_OVER or ONLY_AS.keys() & PASSED_OVER)
    default = Recipe()
    assert recipe_of({field.name: getattr(default, field.name) for field in fields(Recipe)}) == default


def test_what_timms_script_writes_beside_a_checkpoint_is_a_recipe() -> None:
    recipe = read_recipe(REPO / "tests" / "support" / "timm_args.yaml")
    assert (recipe.opt, recipe.epochs, recipe.batch_size, recipe.scale) == ("sgd", 300, 128, (0.08, 1.0))
    assert recipe.learning_rate(128) == pytest.approx(0.05)  # 0.1 for 256, in proportion
    assert recipe.patience == Recipe().patience  # ours, of which timm knows nothing


def test_what_a_file_does_not_say_stays_as_it_was_given(tmp_path: Path) -> None:
    file = tmp_path / "args.yaml"
    file.write_text("lr: 0.01\nmixup: 0.2\nlayer-decay: null\n")
    recipe = read_recipe(file, Recipe(epochs=3))
    assert (recipe.epochs, recipe.lr, recipe.mixup, recipe.layer_decay) == (3, 0.01, 0.2, None)
    assert recipe.mixes


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"learning_rate": 0.1}, "learning_rate"),
        ({"jsd_loss": True, "aug_splits": 3}, "jsd_loss: True, aug_splits: 3"),
        ({"kd_model_name": "resnet50"}, "kd_model_name"),
        ({"grad_accum_steps": 4}, "grad_accum_steps: 4"),
        ({"amp": True, "amp_dtype": "float16"}, "amp_dtype"),
        ({"opt": "lookahead_adamw"}, "opt"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"lr": float("nan")}, "lr"),
        ({"lr": "0.1"}, "lr"),
        ({"scale": [1.0, 0.5]}, "scale"),
        ({"sched": "plateau"}, "sched: 'plateau'"),
        ({"seed": -1}, "seed"),
        ({"aa": ["rand"]}, "aa"),
    ],
)
def test_what_cant_be_honoured_is_refused_by_name(said: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        recipe_of(said)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "!!python/object/apply:os.system ['true']", "", "\x00"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "args.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"--recipe .*args\.yaml"):
        read_recipe(file)


def test_a_recipe_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_recipe(tmp_path / "none.yaml")


def test_the_learning_rate_follows_timms_rule() -> None:
    assert Recipe(lr=0.5).learning_rate(32) == 0.5
    assert Recipe(opt="adamw", lr_base=0.001).learning_rate(64) == pytest.approx(0.0005)  # by the root
    assert Recipe(opt="adamw", lr_base=0.001, lr_base_scale="linear").learning_rate(64) == pytest.approx(0.00025)
