"""Whole cases through a trained net: probabilities at each image's own size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm import tqdm

from lungseg.core.arrays import Gray
from lungseg.core.errors import UserError
from lungseg.data.case import Case
from lungseg.data.io.image import read_case
from lungseg.data.io.spacing import spacing
from lungseg.data.loaded_case import LoadedCase, Predicted
from lungseg.data.loader import Loader
from lungseg.data.preprocessing import Preprocessing
from lungseg.tasks.base import Task


@dataclass(frozen=True)
class Item:
    """Holds a case, the net's input [1, S, S] of it, and the size of a pixel where it is known."""

    loaded: LoadedCase
    input: Tensor
    spacing: tuple[float, ...] | None


TTA = ("none", "flip")


class WholeCases(Dataset[Item]):
    """Loads cases as they were published, and what the net is given of them."""

    def __init__(
        self,
        cases: Sequence[Case],
        regions: Sequence[str],
        how: Preprocessing,
        change: Callable[[Case, Gray], Gray] | None = None,
    ) -> None:
        self.cases, self.regions, self.how, self.change = list(cases), list(regions), how, change

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> Item:
        case = self.cases[index]
        image, masks = read_case(case, self.regions)
        given = image if self.change is None else self.change(case, image)
        loaded = LoadedCase(case, image, masks)
        return Item(loaded, self.how.tensor(self.how.image(case.id, given)), spacing(case))


def predict(
    task: Task,
    module: nn.Module,
    cases: Sequence[Case],
    regions: Sequence[str],
    how: Preprocessing,
    *,
    device: torch.device,
    batch_size: int = 16,
    workers: int = 0,
    tta: str = "none",
    change: Callable[[Case, Gray], Gray] | None = None,
    show: bool = True,
) -> Predicted:
    """Yields each case in order, and what the net predicts of it at its own size.

    ``change`` is done to what the net sees; the image that is yielded is the published one.
    """
    if tta not in TTA:
        raise UserError(f"tta={tta}: expected one of {', '.join(TTA)}")
    loader = Loader(WholeCases(cases, regions, how, change), list, batch_size=batch_size, num_workers=workers)
    module = module.to(device).eval()
    with tqdm(total=len(cases), desc="judging", leave=False, disable=None if show else True) as progress:
        for items in loader:
            inputs = torch.stack([item.input for item in items]).to(device)
            for item, output in zip(items, _outputs(task, module, inputs, tta), strict=True):
                yield item.loaded, replace(task.decode(output, item.loaded, how), spacing=item.spacing)
            progress.update(len(items))


@torch.inference_mode()
def _outputs(task: Task, module: nn.Module, inputs: Tensor, tta: str) -> NDArray[np.float32]:
    outputs = module(inputs)
    if tta == "flip":
        outputs = (outputs + task.unflip(module(inputs.flip(-1)))) / 2
    array: NDArray[np.float32] = outputs.float().cpu().numpy()
    return array
