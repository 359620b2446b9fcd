"""The reference engine: the timm model itself, in fp32 on a CPU; also the one for CUDA and MPS."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from resnext.engines import Precision
from resnext.errors import ModelError
from resnext.records import PreprocessingConfig

if TYPE_CHECKING:
    from resnext.records import Pixels

# Photos a batch: enough to fill a GPU; on a CPU larger ones only spill the caches.
_BATCH_ON_CPU = 8
_BATCH_ON_GPU = 64


class TorchEngine:
    """Runs a module that takes pixels (B, 3, H, W) and gives a tuple of arrays, called `names` in their order.

    `outputs` are those of them that are wanted. Each batch is done when `submit` returns.
    """

    depth = 1

    def __init__(
        self,
        module: torch.nn.Module,
        names: tuple[str, ...],
        outputs: tuple[str, ...],
        device: str,
        precision: Precision,
        batch_size: int | None,
        normalizes: PreprocessingConfig | None = None,
    ) -> None:
        self._device = checked_device(device)
        on_cpu = self._device.type == "cpu"
        self.batch_size = batch_size or (_BATCH_ON_CPU if on_cpu else _BATCH_ON_GPU)
        self._bf16 = precision == "bf16"
        self._names, self._outputs = names, outputs
        self._normalizes = normalizes
        self._module = module.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def precision(self) -> Literal["fp32", "bf16"]:
        return "bf16" if self._bf16 else "fp32"

    def submit(self, pixels: "Pixels") -> "_Finished":
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            batch = torch.from_numpy(pixels).to(self._device)
            if self._normalizes is not None:
                batch = _normalized(batch, self._normalizes)
            batch = batch.contiguous(memory_format=torch.channels_last)
            computed = dict(zip(self._names, self._module(batch), strict=True))
        return _Finished({name: computed[name].float().contiguous().cpu().numpy() for name in self._outputs})


class _Finished:
    def __init__(self, arrays: dict[str, NDArray[np.float32]]) -> None:
        self._arrays = arrays

    def done(self) -> bool:
        return True

    def result(self) -> dict[str, NDArray[np.float32]]:
        return self._arrays


def _normalized(crops: torch.Tensor, config: PreprocessingConfig) -> torch.Tensor:
    """uint8 (B, H, W, 3) -> float32 (B, 3, H, W), as torchvision's ToTensor and Normalize compute it."""
    mean, std = (torch.tensor(numbers, device=crops.device).view(3, 1, 1) for numbers in (config.mean, config.std))
    return crops.permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std)


def checked_device(name: str) -> torch.device:
    """Give the device of this name, before anything is loaded onto it.

    Raises:
        ModelError: there is none of this name here.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"no device is called {name!r}; use cpu, cuda or mps") from error
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise ModelError(f"the device {name} is not available here; use --device cpu")
    return device
