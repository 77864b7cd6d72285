"""Loaders for one split data set; thin, and able to resume in the middle of an epoch."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import albumentations
import pytorch_lightning as pl
from torch.utils.data import DataLoader, Sampler

from lungseg.core.config.data_config import LoaderConfig
from lungseg.core.cpu_count import cores
from lungseg.core.errors import DataError
from lungseg.data.case import Case
from lungseg.data.case_reader import CaseReader
from lungseg.data.dataset import CaseDataset, Sample
from lungseg.data.loader import Loader
from lungseg.data.samplers import InOrder, Key, ShuffledEpochs
from lungseg.data.splits import Splits

MakeDataset = Callable[[Sequence[Case], CaseReader, albumentations.Compose | None, int], CaseDataset]


@dataclass(frozen=True)
class Datasets:
    """Says how cases become samples to train and to validate on."""

    train: MakeDataset
    val: MakeDataset


class CaseDataModule(pl.LightningDataModule):
    """Training batches shuffled and augmented; validation batches in order, each case once over all ranks."""

    def __init__(
        self,
        splits: Splits,
        reader: CaseReader,
        loader: LoaderConfig,
        augment: albumentations.Compose | None = None,
        seed: int = 0,
        datasets: Datasets | None = None,
    ) -> None:
        super().__init__()
        self.loaders: list[Loader[Sample]] = []
        self.splits, self.reader, self.seed = dict(splits), reader, seed
        self.batch_size, self.workers = loader.batch_size, count_workers(loader.workers)
        if loader.overfit is not None:
            few = self.splits["train"][: loader.overfit * loader.batch_size]
            self.splits |= {"train": few, "val": few}
            augment = None
        make = datasets or Datasets(CaseDataset, CaseDataset)
        self.train_set = make.train(self.splits["train"], reader, augment, seed)
        self.val_set = make.val(self.splits["val"], reader, None, seed)
        self._require_regions()
        if len(self.train_set) < 2:
            raise DataError(f"the train split has {len(self.train_set)} case; at least 2 are needed for batch norm")

    def _require_regions(self) -> None:
        """Refuse a validation split in which a region never occurs: no weights could be chosen by it."""
        for region, areas in zip(self.reader.regions, self.val_set.areas().T, strict=True):
            if not areas.any():
                raise DataError(
                    f"none of the {len(self.splits['val'])} validation cases has any {region}: the best weights could "
                    "not be chosen by it; use another data.split_seed=, a larger data.val= or more data"
                )

    def batches_per_epoch(self) -> int:
        """Of one rank. A last batch that is not full is left out, unless it is the only one."""
        ranks, limit = (self.trainer.world_size, self.trainer.limit_train_batches) if self.trainer else (1, 1.0)
        batches = max(len(self.train_set) // ranks // self.batch_size, 1)
        return min(batches, limit) if isinstance(limit, int) else int(batches * limit)

    def train_dataloader(self) -> DataLoader[Sample]:
        """From where the trainer's loops stand: the start, or the batch after the last one that was trained."""
        rank, ranks, done = 0, 1, 0
        if self.trainer is not None:
            rank, ranks = self.trainer.global_rank, self.trainer.world_size
            done = batches_done(self.trainer)
        if len(self.train_set) // ranks < 2:
            raise DataError(
                f"{len(self.train_set)} training cases on {ranks} devices: fewer than 2 each; use fewer devices"
            )
        epoch, batches = divmod(done, self.batches_per_epoch())
        start = (epoch, batches * self.batch_size)
        sampler = ShuffledEpochs(len(self.train_set), self.seed, start, rank, ranks)
        return self._loader(self.train_set, sampler, drop_last=len(sampler) >= self.batch_size)

    def val_dataloader(self) -> DataLoader[Sample]:
        rank, ranks = (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
        if len(self.val_set) < ranks:
            raise DataError(f"{len(self.val_set)} validation cases on {ranks} devices: fewer than one each; use fewer")
        return self._loader(self.val_set, InOrder(len(self.val_set), rank, ranks))

    def _loader(self, dataset: CaseDataset, sampler: Sampler[Key], drop_last: bool = False) -> DataLoader[Sample]:
        self.loaders.append(make_loader(dataset, sampler, self.batch_size, self.workers, drop_last))
        return self.loaders[-1]

    def raise_if_worker_died(self) -> None:
        """Says what a failed training may be due to."""
        for loader in self.loaders:
            loader.raise_if_worker_died()


def make_loader(
    dataset: CaseDataset, sampler: Sampler[Key], batch_size: int, workers: int, drop_last: bool = False
) -> Loader[Sample]:
    """A loader whose workers leave signals to the main process, which saves first."""
    return Loader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        drop_last=drop_last,
        pin_memory=False,
        persistent_workers=workers > 0,
        worker_init_fn=_leave_signals_to_main if workers else None,
    )


def batches_done(trainer: pl.Trainer) -> int:
    """By each rank since the run began, over all epochs and restarts; the one under way is not counted."""
    return int(getattr(trainer.fit_loop.epoch_loop.batch_progress.total, "processed"))  # noqa: B009


def count_workers(workers: int | str) -> int:
    """``auto``: the cores that this process may use less one, at most 8."""
    if workers == "auto":
        return min(cores() - 1, 8)
    most = max(64, 4 * cores())
    if not isinstance(workers, int) or not 0 <= workers <= most:
        raise DataError(f"data.workers={workers}: expected auto or a number of processes from 0 (none) to {most}")
    return workers


def _leave_signals_to_main(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a scheduler sends it to every process of a job
