"""The whole network trained: the very same bytes after any interruption, and never worse than its head."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnext.console.interrupts import Interrupted
from resnext.errors import ModelError, OutputError, UsageError
from resnext.training.full import loop, state
from resnext.training.full.augment import Batches, order_of
from resnext.training.full.recipe import Recipe
from resnext.training.full.settings import WholeNetwork
from support.program import REPO, Heard
from support.whole_network import PLAIN, RECIPE, blind_head, digest_of, labelled_photos, tiny_base, train


class Killed(BaseException):
    """As a kill: nothing is cleaned up on its way."""


def after(steps: int, act: Callable[[], object]) -> Callable[[str, int, int], None]:
    """A progress that acts once, when so many steps of training are done."""
    seen = 0

    def told(name: str, done: int, total: int) -> None:
        nonlocal seen
        seen += name.startswith("epoch")
        if seen == steps and name.startswith("epoch"):
            act()

    return told


def kill() -> None:
    raise Killed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def undisturbed(folder: Path, heard: Heard) -> WholeNetwork:
    """A training that nothing interrupts; its folder has the photos that the others take."""
    return train(folder, notices=heard)


@pytest.fixture
def own(folder: Path, undisturbed: WholeNetwork, tmp_path: Path) -> Path:
    """A folder for the state of one test, with the same photos and weights."""
    for name in ("training", "validation", "test_resnet.safetensors"):
        (tmp_path / name).symlink_to(folder / name)
    return tmp_path


def trained(own: Path, recipe: Recipe = RECIPE, **options: Any) -> WholeNetwork:
    photos = labelled_photos(own / "training", 8), labelled_photos(own / "validation", 4, seed=1)
    return train(own, recipe, photos=photos[0], validation=options.pop("validation", photos[1]), **options)


def test_it_learns_and_says_what_is_kept_and_why(undisturbed: WholeNetwork, heard: Heard) -> None:
    assert [row["epoch"] for row in undisturbed.history] == [0, 1, 2, 3, 4, 5]
    assert [row["side"] for row in undisturbed.history] == [64, 32, 32, 32, 32, 64]  # low, then full resolution
    (kept,) = [row for row in undisturbed.history if row["kept"]]
    head = undisturbed.history[0]
    assert undisturbed.validation == kept["validation"] > head["validation"] == pytest.approx(1 / 3)
    assert heard.lines[0] == "the head alone: 33.3% on validation"
    assert heard.lines[-1].startswith(f"kept: the whole network after epoch {kept['epoch']}, {kept['validation']:.1%}")
    assert "the head alone 33.3%" in heard.lines[-1]
    right = undisturbed.logits.argmax(1) == np.arange(12) % 3
    assert right.mean() == undisturbed.validation
    assert not undisturbed.is_head


def test_the_tensors_are_timms(undisturbed: WholeNetwork, timm: Any) -> None:
    module = timm.create_model("test_resnet", num_classes=3)
    module.load_state_dict({name: torch.from_numpy(each) for name, each in undisturbed.tensors.items()})


def test_workers_change_nothing(own: Path, undisturbed: WholeNetwork) -> None:
    assert digest_of(trained(own, workers=2).tensors) == digest_of(undisturbed.tensors)


@pytest.mark.parametrize("steps", [1, 5, 14])
def test_a_killed_training_goes_on_to_the_same_bytes(
    own: Path, undisturbed: WholeNetwork, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_SAVE_SECONDS", 0)
    monkeypatch.setattr(loop, "_SAVE_PART", 0)
    with pytest.raises(Killed):
        trained(own, progress=after(steps, kill))
    gone_on = trained(own, resume=True, head=None)  # what it began with is in the state
    assert digest_of(gone_on.tensors) == digest_of(undisturbed.tensors)
    assert gone_on.history == undisturbed.history


def test_a_signal_ends_it_after_the_step_with_its_state(own: Path, undisturbed: WholeNetwork) -> None:
    with pytest.raises(Interrupted) as interrupted:
        trained(own, progress=after(5, lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert interrupted.value.number == signal.SIGINT
    assert "--resume" in interrupted.value.kept
    steps: list[str] = []
    gone_on = trained(own, resume=True, progress=lambda name, done, total: steps.append(name))
    assert sum(name.startswith("epoch") for name in steps) == 15 - 5  # not one is done twice
    assert digest_of(gone_on.tensors) == digest_of(undisturbed.tensors)


def test_another_training_is_not_gone_on_with(own: Path) -> None:
    with pytest.raises(Killed):
        trained(own, progress=after(4, kill))
    with pytest.raises(UsageError, match="began with another recipe"):
        trained(own, replace(RECIPE, lr=1e-3), resume=True)
    with pytest.raises(UsageError, match="set of validation photos"):
        trained(own, resume=True, validation=labelled_photos(own / "validation", 4, seed=1)[1:])


def test_a_state_that_is_damaged_is_told(own: Path) -> None:
    with pytest.raises(Killed):
        trained(own, progress=after(4, kill))
    file = own / "state" / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="damaged"):
        trained(own, resume=True)


def test_a_loss_that_is_no_number_leaves_the_best_until_then(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard = Heard()
    result = trained(own, replace(RECIPE, lr=1e30, opt="sgd", warmup_epochs=0), notices=heard)
    assert result.is_head
    assert [row["epoch"] for row in result.history if row["kept"]] == [0]
    assert np.array_equal(result.tensors["fc.bias"], blind_head(tiny_base(own)).bias)
    said = capsys.readouterr().err
    assert "warning: the loss became NaN in epoch 1" in said and "--lr" in said
    assert heard.lines[-1].startswith("kept: the head alone, 33.3% right")


def test_from_nothing_it_has_no_head_to_fall_back_on(own: Path) -> None:
    recipe = replace(RECIPE, epochs=1, low_size=0)
    result = trained(own, recipe, head=None, pretrained=False, validation=())
    assert [row["epoch"] for row in result.history] == [1]
    assert result.history[0]["validation"] is None
    with pytest.raises(ModelError, match="became NaN"):
        trained(own, replace(recipe, lr=1e30, opt="sgd", warmup_epochs=0), head=None, pretrained=False)


def test_it_needs_photos_that_validate(own: Path) -> None:
    with pytest.raises(UsageError, match="--method head"):
        trained(own, validation=())


def test_a_full_disk_leaves_the_last_good_state(own: Path, undisturbed: WholeNetwork) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(OutputError, match="the last good one stays"):
            trained(own, progress=after(4, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((own / "state").glob(".new-*"))
    assert digest_of(trained(own, resume=True).tensors) == digest_of(undisturbed.tensors)


def test_it_ends_where_validation_gets_no_better(own: Path) -> None:
    result = trained(own, replace(RECIPE, epochs=9, lr=0.0, lr_base=0.0, warmup_lr=0.0, patience=2, freeze_bn=True))
    assert [row["epoch"] for row in result.history] == [0, 1, 2]


def test_mixing_and_other_schedules_take_part(own: Path) -> None:
    recipe = replace(
        RECIPE, epochs=2, mixup=0.2, cutmix=0.5, mixup_off_epoch=1, sched="step", decay_epochs=1,
        sched_on_updates=False, opt="sgd", clip_grad=1.0, model_ema=False, bce_loss=True, layer_decay=0.8,
    )  # fmt: skip
    with pytest.raises(Killed):
        trained(own, recipe, progress=after(4, kill))
    gone_on = trained(own, recipe, resume=True)
    (own / "state" / "state.safetensors").unlink()
    assert digest_of(gone_on.tensors) == digest_of(trained(own, recipe).tensors)


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        (replace(RECIPE, opt="none_such"), "opt: none_such"),
        (replace(RECIPE, aa="no_such_policy"), "aa: no_such_policy"),
    ],
)
def test_what_timm_can_not_make_is_told(own: Path, recipe: Recipe, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        trained(own, recipe)


def test_two_processes_train_the_same_network(own: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """torchrun and gloo: each step's photos are shared out, so that one process comes to nearly the same weights."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "-m", "support.whole_network", str(own)]
    environment = {**os.environ, "PYTHONPATH": f"{REPO / 'tests'}:{REPO / 'cli'}", "OMP_NUM_THREADS": "1"}
    run = subprocess.run([*command, "--plain"], env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    (best,) = (own / "state").glob("best-*")
    together = state.load_tensors(best)
    assert run.stdout.split() == [digest_of({name: each.numpy() for name, each in together.items()})]
    alone_folder = tmp_path_factory.mktemp("alone")
    for name in ("training", "validation", "test_resnet.safetensors"):
        (alone_folder / name).symlink_to(own / name)
    alone = trained(alone_folder, PLAIN)
    assert [each.name for each in (alone_folder / "state").glob("best-*")] == [best.name]
    for name, each in alone.tensors.items():
        np.testing.assert_allclose(together[name].numpy(), each, rtol=1e-3, atol=1e-4, err_msg=name)


def test_each_epoch_takes_each_photo_once_in_another_order() -> None:
    orders = [order_of(7, epoch, 50) for epoch in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len(set(map(tuple, orders))) == 3


def test_processes_share_each_batch_out() -> None:
    def drawn(rank: int, processes: int) -> list[list[int]]:
        batches = Batches(50, 8, 7, rank, processes)
        batches.epoch = 2
        return [[each.at for each in batch] for batch in batches]

    alone = drawn(0, 1)
    assert len(alone) == 6
    assert [sorted([*a, *b]) for a, b in zip(drawn(0, 2), drawn(1, 2), strict=True)] == [sorted(each) for each in alone]


def test_the_ssl_resnext_trains(tmp_path: Path) -> None:
    """The default model's network, with random weights, on two photos."""
    base = tiny_base(tmp_path, "resnext50_32x4d", side=64)
    photos = labelled_photos(tmp_path / "photos", 1)[:2]
    result = train(
        tmp_path, replace(RECIPE, epochs=1, batch_size=2, low_size=0), base=base, photos=photos, validation=photos
    )
    assert [row["epoch"] for row in result.history] == [0, 1]


@pytest.mark.slow
def test_killed_at_random_it_comes_to_the_same_bytes(
    own: Path, undisturbed: WholeNetwork, amount: Callable[[int, int], int]
) -> None:
    """SIGKILL at any moment, again and again, until it comes to its end."""
    rng = np.random.default_rng(0)
    command = [sys.executable, "-m", "support.whole_network", str(own), "--resume"]
    environment = {**os.environ, "PYTHONPATH": f"{REPO / 'tests'}:{REPO / 'cli'}"}
    kills = 0
    while kills < amount(30, 2):
        (own / "state" / "state.safetensors").unlink(missing_ok=True)
        while True:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            try:
                output, _ = process.communicate(timeout=float(rng.uniform(2, 12)))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
                continue
            break
        assert process.returncode == 0
        assert output.strip() == digest_of(undisturbed.tensors)
