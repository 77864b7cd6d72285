"""What a run shows and writes while it trains: overlays, curves, progress, speed."""

import math
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from pytorch_lightning.callbacks import Callback

from lungseg.core import log_output
from lungseg.core.atomic_io import replaced
from lungseg.core.device import widest
from lungseg.core.run_directory import Run
from lungseg.data.dataset import CaseDataset
from lungseg.data.loaded_case import LoadedCase
from lungseg.data.visualize.overlay import Overlay, draw_sheet
from lungseg.evaluation.loggers.build import log_overlays
from lungseg.tasks.columns import Column
from lungseg.tasks.module import TaskModule
from lungseg.training.metrics_file import MetricsFile

REDRAWN = 10.0  # seconds between two pictures of the curves


def run_of(trainer: pl.Trainer) -> Run:
    """Returns the run directory that is trained in."""
    return Run(Path(trainer.default_root_dir))


class Overlays(Callback):
    """After each validation, the same few validation cases: ``overlays/epoch-001.png``, and to the loggers."""

    def __init__(self, number: int = 4) -> None:
        self.number = number

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.folder = run_of(trainer).overlays
        self.dataset: CaseDataset = getattr(trainer, "datamodule").val_set  # noqa: B009
        self.indices = self.dataset.examples(self.number)
        assert isinstance(pl_module, TaskModule)
        self.task = pl_module.task

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        overlays = self._predict(pl_module)
        epoch = trainer.current_epoch
        sheet = draw_sheet(overlays, f"validation, epoch {epoch + 1}")
        with replaced(self.folder / f"epoch-{epoch + 1:03d}.png", lasting=False) as partial:
            Image.fromarray(sheet).save(partial)
        log_overlays(trainer.loggers, "val/overlays", overlays, trainer.global_step, epoch)

    @torch.no_grad()
    def _predict(self, module: pl.LightningModule) -> list[Overlay]:
        samples = [self.dataset[0, index] for index in self.indices]
        images = torch.stack([sample["image"] for sample in samples]).to(module.device)
        overlays = []
        for index, sample, output in zip(self.indices, samples, module(images).cpu().numpy(), strict=True):
            loaded = LoadedCase(self.dataset.cases[index], self.dataset.shown(index), sample["mask"].numpy() > 0.5)
            overlays.append(self.task.draw_case(self.task.decode(output, loaded, None), loaded, 0.5))
        return overlays


class EpochLoss(Callback):
    """``train/loss_epoch``: the mean over all of an epoch's images, those before an interruption too."""

    def __init__(self) -> None:
        self.total = torch.zeros(2, dtype=torch.float64)  # loss times images, images

    def state_dict(self) -> dict[str, Any]:
        """Of all ranks: each makes the checkpoint, though one writes it."""
        total = self.total.clone()
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(total)
        return {"total": total.tolist()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        total = [float(value) for value in state_dict["total"]]
        if len(total) != 2:
            raise ValueError(f"EpochLoss: {len(total)} totals, expected 2")
        self.total = torch.tensor(total if log_output.rank() == 0 else [0.0, 0.0], dtype=torch.float64)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.total = torch.zeros(2, dtype=torch.float64)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] * trainer.accumulate_grad_batches  # which Lightning has divided by it
        number = torch.full_like(loss, len(batch["image"]))
        batch_total = torch.stack([loss * number, number])
        self.total = self.total.to(loss.device, widest(loss.device)) + batch_total.to(widest(loss.device))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        total = trainer.strategy.reduce(self.total.to(pl_module.device, widest(pl_module.device)), reduce_op="sum")
        pl_module.log("train/loss_epoch", (total[0] / total[1]).float())


class Curves(Callback):
    """``curves.png``: loss and score by epoch, redrawn every ten seconds: it may take longer than a short epoch."""

    def __init__(self) -> None:
        self.drawn = -math.inf

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if time.monotonic() - self.drawn > REDRAWN:
            self._draw(trainer, pl_module)
            self.drawn = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._draw(trainer, pl_module)  # with the last epoch's training loss, which is logged after the hook above

    def _draw(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, TaskModule)
        score = module.task.headline
        for logger in trainer.loggers:
            if isinstance(logger, MetricsFile) and trainer.is_global_zero:
                draw_curves(logger.rows, run_of(trainer).path / "curves.png", score)


def draw_curves(rows: Sequence[Mapping[str, Any]], picture: Path, score: Column) -> None:
    """From the rows of metrics.csv; nothing is drawn while none is of a whole epoch."""
    series: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        for name, value in row.items():
            if value != "" and name not in ("epoch", "step"):
                series[name][int(row["epoch"])] = float(value)
    losses = [name for name in ("train/loss_epoch", "val/loss") if name in series]
    scores = sorted(name for name in series if name.startswith("val/") and name.endswith(f"/{score.name}"))
    scores = [name for name in scores if name != f"val/{score.name}"] or scores
    if not losses and not scores:
        return
    figure = Figure(figsize=(10, 4), layout="constrained")
    for place, names, title in ((121, losses, "loss"), (122, scores, f"validation {score.title}, mean over cases")):
        axis = figure.add_subplot(place)
        for name, style in zip(names, ("-", "--", "-.", ":") * 4, strict=False):
            epochs, values = zip(*sorted(series[name].items()), strict=True)
            axis.plot(epochs, values, style, marker="o", markersize=3, label=name.removesuffix("_epoch"))
        axis.set(title=title, xlabel="epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        if names:
            axis.legend(frameon=False, loc="best" if title == "loss" else "lower right")
        if title != "loss" and score.higher:
            axis.set_ylim(0, 1)
    with replaced(picture, lasting=False) as partial:
        figure.savefig(partial, dpi=110)


class Throughput(Callback):
    """Images per second of training alone, wall time and peak memory, for the manifest."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.images, self.seconds, self._started = 0, 0.0, 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"images": self.images, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.images, self.seconds = int(state_dict["images"]), float(state_dict["seconds"])

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.monotonic()
        self.images += len(batch["image"]) * trainer.world_size
        self.seconds += now - (self._started or now)
        self._started = now

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self.run.update_manifest(
                epochs=trainer.current_epoch + 1,
                training_seconds=round(self.seconds, 1),
                images_per_second=round(self.images / max(self.seconds, 1e-9), 1),
                peak_memory_mib=_peak_memory(),
            )


def _peak_memory() -> dict[str, float]:
    """MiB of the process, and of the GPU where there is one."""
    try:
        import resource
    except ImportError:  # Windows
        return {}
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = {"process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)}
    if torch.cuda.is_available():
        peak["gpu"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return peak
