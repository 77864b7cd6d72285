"""Case -> sample: what a net eats."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import albumentations
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from lungseg.core.arrays import Gray, Mask
from lungseg.data.case import Case
from lungseg.data.case_reader import CaseReader
from lungseg.data.samplers import Key, mix_seed

Sample = dict[str, Tensor]


class CaseDataset(Dataset[Sample]):
    """Samples by (epoch, index): image float32 [1, S, S], mask float32 [K, S, S], index of the case, and its targets.

    The random numbers of a sample come from (seed, epoch, index) alone, so neither the number of workers nor a
    restart changes them, and no two epochs repeat one another.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        reader: CaseReader,
        augment: albumentations.Compose | None = None,
        seed: int = 0,
    ) -> None:
        self.cases, self.reader, self.augment, self.seed = list(cases), reader, augment, seed

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        image, masks = self._pixels(index, epoch)
        case, part = self.index_of(index)
        if self.augment is not None:
            self.augment.set_random_seed(mix_seed(self.seed, epoch, index))
            image, masks = self._augmented(self.augment, image, masks)
        return {
            "image": self.reader.how.tensor(image),
            "mask": torch.from_numpy(np.ascontiguousarray(masks, dtype=np.float32)),
            "index": torch.tensor(case),
            "part": torch.tensor(part),
            **self.reader.targets(self.cases[index]),
        }

    @staticmethod
    def _augmented(augment: albumentations.Compose, image: Gray, masks: Mask) -> tuple[Gray, Mask]:
        """Changes both alike, image [H, W] or [C, H, W], masks [K, H, W] or [K, C, H, W].

        All planes of a volume are changed alike. OpenCV takes no mask of 0 regions.
        """
        channels = image[..., None] if image.ndim == 2 else np.ascontiguousarray(image.transpose(1, 2, 0))
        flat = masks.reshape(-1, *masks.shape[-2:])
        given = {"mask": np.ascontiguousarray(flat.transpose(1, 2, 0).astype(np.uint8))} if len(masks) else {}
        changed = augment(image=channels, **given)
        pixels = changed["image"][..., 0] if image.ndim == 2 else changed["image"].transpose(2, 0, 1)
        return pixels, (changed["mask"].transpose(2, 0, 1) > 0).reshape(masks.shape) if len(masks) else masks

    def index_of(self, index: int) -> tuple[int, int]:
        """Returns which case a sample is of, and which part of it."""
        return index, 0

    def examples(self, number: int) -> list[int]:
        """Lists samples of every class in turn, always the same ones."""
        by_label: dict[str, list[int]] = defaultdict(list)
        for index, case in enumerate(self.cases):
            by_label[case.label].append(index)
        queues = [by_label[label] for label in sorted(by_label)]
        turns = [queue[turn] for turn in range(number) for queue in queues if turn < len(queue)]
        return turns[:number]

    def masks(self, at_once: int = 256) -> Iterator[Mask]:
        """The cases' masks as the net sees them, [up to ``at_once``, K, S, S] at a time."""
        for start in range(0, len(self), at_once):
            yield np.stack([self._pixels(index)[1] for index in range(start, min(start + at_once, len(self)))])

    def areas(self) -> NDArray[np.int64]:
        """[N, K] pixels of each region as the net sees it."""
        pack = self.reader.pack
        if pack is not None:
            return pack.areas[[pack.rows[case.id] for case in self.cases]]
        return np.concatenate([masks.sum((2, 3)) for masks in self.masks()])

    def shown(self, index: int) -> Gray:
        """The image [S, S] as it is before augmentation and normalisation."""
        return self._pixels(index)[0]

    def _pixels(self, index: int, epoch: int = 0) -> tuple[Gray, Mask]:
        """Returns a sample before augmentation; ``epoch`` matters where parts of a case are drawn."""
        return self.reader.pixels(self.cases[index])
