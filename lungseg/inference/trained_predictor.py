"""A finished run's net as something that predicts cases, by the view of its config."""

from lungseg.core.config.data_config import PreprocessingConfig
from lungseg.core.device import device
from lungseg.inference.inferers import Inferer, Patches, SlicePatches, Slices, WholeImages
from lungseg.inference.load_run import TrainedRun
from lungseg.inference.whole_image import Predictor
from lungseg.tasks.build import Boxes, build_preprocessing


def trained_predictor(trained: TrainedRun, accelerator: str, boxes: Boxes | None = None) -> Predictor:
    """Returns the predictor of a run whose images are cut to ``boxes``, by case id."""
    cfg, task = trained.cfg, trained.module.task
    how = build_preprocessing(cfg.data.preprocessing, boxes)
    batch_size = cfg.data.loader.batch_size
    at_once = batch_size if cfg.data.preprocessing.view is None else 1
    inferer = inferer_of(cfg.data.preprocessing, batch_size)
    return Predictor(task, trained.module, list(task.regions.names), how, device(accelerator), at_once, inferer)


def inferer_of(how: PreprocessingConfig, batch_size: int) -> Inferer:
    """Returns how a net of such a view is applied to whole cases."""
    if how.view is None:
        return WholeImages()
    if how.patch is None:
        return Slices(how.neighbours, batch_size)
    if how.sees_volumes:
        return Patches(how.patch, batch_size)
    return SlicePatches(how.neighbours, how.patch, batch_size)
