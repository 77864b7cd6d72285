"""Whole cases through a trained net: probabilities at each image's own size."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm import tqdm

from lungseg.core.arrays import Gray, Mask, Probabilities
from lungseg.core.errors import UserError
from lungseg.data.case import Case
from lungseg.data.io.image import read_case
from lungseg.data.loader import Loader
from lungseg.data.preprocessing import Preprocessing

Predicted = Iterator[tuple[Case, Gray, Mask, Probabilities]]
Item = tuple[int, Tensor, Gray, Mask]

TTA = ("none", "flip")


class WholeCases(Dataset[Item]):
    """Index, the net's input [1, S, S], and the published image [H, W] and masks [K, H, W]."""

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
        return index, self.how.tensor(self.how.image(case.id, given)), image, masks


def predict(
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
    """Each case in order with image [H, W], reference [K, H, W] and probabilities [K, H, W] at that size.

    ``change`` is done to what the net sees; the image that is yielded is the published one.
    """
    if tta not in TTA:
        raise UserError(f"tta={tta}: expected one of {', '.join(TTA)}")
    loader = Loader(WholeCases(cases, regions, how, change), list, batch_size=batch_size, num_workers=workers)
    module = module.to(device).eval()
    with tqdm(total=len(cases), desc="judging", leave=False, disable=None if show else True) as progress:
        for items in loader:
            inputs = torch.stack([item[1] for item in items]).to(device)
            for (index, _, image, masks), small in zip(items, _probabilities(module, inputs, tta), strict=True):
                yield cases[index], image, masks, how.back(small, cases[index].id, image.shape)
            progress.update(len(items))


@torch.inference_mode()
def _probabilities(module: nn.Module, inputs: Tensor, tta: str) -> Probabilities:
    probabilities = module(inputs)
    if tta == "flip":
        probabilities = (probabilities + module(inputs.flip(-1)).flip(-1)) / 2
    array: Probabilities = probabilities.float().cpu().numpy()
    return array
