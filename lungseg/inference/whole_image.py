"""Whole cases through a trained net: probabilities at each image's own size."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm import tqdm

from lungseg.core.arrays import Gray, Mask
from lungseg.core.errors import UserError
from lungseg.data.case import Case
from lungseg.data.io.spacing import spacing
from lungseg.data.loaded_case import LoadedCase, Predicted
from lungseg.data.loader import Loader
from lungseg.data.view import View
from lungseg.inference.inferers import Inferer, WholeImages
from lungseg.tasks.base import Task


@dataclass(frozen=True)
class Item:
    """Holds a case, the net's input of it, and the size of a pixel where it is known."""

    loaded: LoadedCase
    input: Tensor
    spacing: tuple[float, ...] | None


TTA = ("none", "flip")
LUNG = 0.5  # probability from which lungs are lungs
Change = Callable[[Case, Gray], Gray]


class WholeCases(Dataset[Item]):
    """Loads cases as they were published, and what the net is given of them."""

    def __init__(
        self,
        cases: Sequence[Case],
        regions: Sequence[str],
        how: View,
        change: Change | None = None,
    ) -> None:
        self.cases, self.regions, self.how, self.change = list(cases), list(regions), how, change

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> Item:
        case = self.cases[index]
        loaded = self.how.load(case, self.regions)
        given = loaded if self.change is None else replace(loaded, image=self.change(case, loaded.image))
        return Item(loaded, self.how.input(given), loaded.spacing or spacing(case))


@dataclass(frozen=True)
class Gate:
    """Finds the lungs that predictions are kept to; ``organs`` are their places among its outputs."""

    predictor: "Predictor"
    organs: Sequence[int]

    def __call__(self, cases: Sequence[Case]) -> Iterator[Mask]:
        """Yields each case's lungs at its own size."""
        for _, prediction in self.predictor(cases, show=False):
            yield np.asarray(prediction.mask(LUNG)[list(self.organs)].any(axis=0), np.bool_)


@dataclass(frozen=True)
class Predictor:
    """Called with cases, it yields each in order as it was loaded, and what the net predicts of it at its own size.

    ``change`` is done to what the net sees; the image that is yielded is the published one.
    """

    task: Task
    module: nn.Module
    regions: Sequence[str]  # whose masks are loaded beside the image
    how: View
    device: torch.device
    batch_size: int = 16
    inferer: Inferer = field(default_factory=WholeImages)
    tta: str = "none"
    change: Change | None = None
    gate: Gate | None = None  # what is predicted outside of its lungs is taken back

    def __call__(self, cases: Sequence[Case], show: bool = True) -> Predicted:
        if self.gate is None:
            yield from self._predict(cases, show)
            return
        for (loaded, prediction), lungs in zip(self._predict(cases, show), self.gate(cases), strict=True):
            yield loaded, prediction.but(prediction.probabilities * lungs)

    def _predict(self, cases: Sequence[Case], show: bool) -> Predicted:
        if self.tta not in TTA:
            raise UserError(f"tta={self.tta}: expected one of {', '.join(TTA)}")
        loader = Loader(WholeCases(cases, self.regions, self.how, self.change), list, batch_size=self.batch_size)
        module = self.module.to(self.device).eval()
        with tqdm(total=len(cases), desc="judging", leave=False, disable=None if show else True) as progress:
            for items in loader:
                for item, output in zip(items, self._outputs(module, [item.input for item in items]), strict=True):
                    yield item.loaded, replace(self.task.decode(output, item.loaded, self.how), spacing=item.spacing)
                progress.update(len(items))

    def but(self, *, tta: str | None = None, change: Change | None = None) -> "Predictor":
        """The same net, asked otherwise."""
        return replace(self, tta=tta or self.tta, change=change or self.change)

    @torch.inference_mode()
    def _outputs(self, module: nn.Module, inputs: Sequence[Tensor]) -> list[NDArray[np.float32]]:
        outputs = list(self.inferer(module, inputs, self.device))
        if self.tta == "flip":
            flipped = self.inferer(module, [one.flip(-1) for one in inputs], self.device)
            pairs = zip(outputs, flipped, strict=True)
            outputs = [(output + self.task.unflip(other[None])[0]) / 2 for output, other in pairs]
        return [output.numpy() for output in outputs]
