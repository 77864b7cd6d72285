"""Declares what each key of conf/ takes: its kind, its range, an example. Nothing heavy is imported."""

from collections.abc import Mapping

from lungseg.core.config.compound_types import Anything, ByName, Either, Row, Several, or_null
from lungseg.core.config.value_types import Choice, Flag, Kind, Number, Text, Whole
from lungseg.core.cpu_count import cores

Kinds = Mapping[str, Kind]

SEED = Whole(0, 2**32 - 1, "0")
SHARE = Number(least=0, most=1, example="0.5")
WEIGHT = Number(least=0, example="1.0")
PATH = Text("some/folder", "a path")
LIMITS = Either((Number(example="0.2"), Row((Number(), Number()), "[0.8,1.2]")), "[0.8,1.2]")
POSITIVE_LIMITS = Row((Number(above=0), Number(above=0)), "[80,120]", "two numbers above 0")
RUN = Text("runs/my_run", "a run directory")
LARGEST = 8192  # pixels per side; what an X-ray has at most
MODULES = Text("my_package.module", "modules of your own code")
AUTO = Choice(("auto",), "auto")
SIDE = Whole(1, 2048, "96", "a number of voxels")
STRIDE = Row((Whole(1, 4), Whole(1, 4), Whole(1, 4)), "[1,2,2]", "steps along z, y and x")
SIZE = Number(above=0, most=100, example="1.5", name="millimetres")

TOP: Kinds = {
    "pretrained": Flag(),
    "freeze_encoder": Flag(),
    "seed": SEED,
    "monitor": Text("val/dice", "a metric of the validation cases"),
    "ema": or_null(Number(above=0, below=1, example="0.999", name="a decay")),
    "patience": or_null(Whole(1, example="10", name="a number of epochs")),
    "resume": or_null(RUN),
    "label": or_null(Text("my_net")),
    "run_dir": or_null(Text("runs/my_run", "a folder")),
    "trust": or_null(Either((MODULES, Several(MODULES, name="several as [a,b]")), "my_package.module")),
    "traceback": Flag(),
}

QUESTIONS = "all, or some of [tta,frame,gate,uncertainty]"
DISTANCE = Number(above=0, name="distances")
EVALUATE: Kinds = {
    "run": Either((RUN, Several(RUN, least=0, name="several as [a,b]")), "runs/my_run"),
    "split": or_null(Choice(("test", "val", "all"), "test")),
    "threshold": Number(above=0, below=1, example="0.5", name="a probability"),
    "tta": Choice(("none", "flip"), "flip"),
    "ask": or_null(Either((Text(name=QUESTIONS), Several(Text(), least=0, name=QUESTIONS)), "all")),
    "gate": or_null(RUN),
    "legacy": Flag(),
    "save": or_null(Choice(("masks",), "masks")),
    "tolerances": Either((DISTANCE, Several(DISTANCE, name="distances above 0")), "[1,2,4]"),
    "batch_size": or_null(Whole(1, 10_000, "16")),
    "accelerator": Choice(("auto", "cpu", "gpu", "mps"), "auto"),
    "out": or_null(Text("my_folder", "a folder")),
    "weight": Choice(("images", "patients"), "patients"),
    "trust": or_null(Either((MODULES, Several(MODULES, name="several as [a,b]")), "my_package.module")),
    "traceback": Flag(),
}

SEGMENTATION = "lungseg.tasks.segmentation.task.Segmentation"
TASK: Kinds = {
    "name": Text("lung"),
    "regions": Several(Text("lung"), "[lung]", name="a list of regions"),
    "lesions": ByName(Text(), "{infection: lung}", "regions, each with the organ that it lies in"),
}

DATA: Kinds = {
    "name": Text("folder"),
    "size": Whole(32, LARGEST, "256"),
    "batch_size": Whole(1, 10_000, "8"),
    "workers": Either((AUTO, Whole(0, max(64, 4 * cores()), name="a number of processes")), "auto"),
    "val": Number(above=0, below=1, example="0.15", name="a share of the patients"),
    "test": Number(above=0, below=1, example="0.15", name="a share of the patients"),
    "split_seed": SEED,
    "folds": or_null(Whole(2, 1000, "5", "a number of parts")),
    "fold": or_null(Whole(0, 999, "0", "the number of a part")),
    "splits": or_null(Text("splits/folder/split.json", "a file of lungseg data split")),
    "train_domains": or_null(Either((Text("shenzhen", "a hospital"), Several(Text(), name="several as [a,b]")), "[a]")),
    "drop_leaks": Flag(),
    "limit": or_null(Whole(1, example="100", name="a number of cases")),
    "clahe": Flag(),
    "aspect": Choice(("squash", "pad"), "pad"),
    "normalise": Either(
        (
            Choice(("imagenet", "image", "dataset")),
            Row((SHARE, Number(above=0, most=1)), name="[mean, deviation] in 0..1, the deviation above 0"),
        ),
        "imagenet",
    ),
    "crop": or_null(RUN),
    "gate": or_null(RUN),
    "view": or_null(Choice(("slices", "patches"), "slices")),
    "window": Row((Number(), Number()), "[-1250,250]", "two numbers of Hounsfield units, the lower first"),
    "neighbours": Whole(0, 8, "1", "a number of slices on each side"),
    "patch": or_null(Row((SIDE, SIDE, SIDE), "[32,96,96]", "voxels along z, y and x")),
    "spacing": or_null(Either((AUTO, Row((SIZE, SIZE, SIZE), "[5,1.5,1.5]", "millimetres along z, y and x")), "auto")),
    "foreground": SHARE,
    "patches_per_volume": Whole(1, 10_000, "8"),
    "pack": Flag(),
    "overfit": or_null(Whole(1, example="2", name="a number of batches")),
}

PRECISIONS = (
    "auto",
    "32-true",
    "16-mixed",
    "bf16-mixed",
    16,
    32,
    "bf16",
)  # those that nets, losses and scores work with

WHICH = "which ones as [0,1]"
TRAINER: Kinds = {
    "_target_": Choice(("lungseg.training.trainer.build",), "lungseg.training.trainer.build"),
    "max_epochs": Whole(1, 1_000_000, "50"),
    "accelerator": Choice(("auto", "cpu", "gpu", "mps"), "auto"),
    "devices": Either(
        (AUTO, Whole(1, 4096), Several(Whole(0), name=WHICH), Text(name=WHICH, pattern=r"\d+(,\d+)+")), "2"
    ),
    "strategy": Text("ddp", "auto or a strategy of Lightning"),
    "precision": Choice(PRECISIONS, "auto"),
    "channels_last": Either((AUTO, Flag()), "auto"),
    "gradient_clip_val": or_null(Number(least=0, example="1.0")),
    "accumulate_grad_batches": Whole(1, 1_000_000, "2"),
    "save_every_minutes": Number(least=0, example="10"),
    "num_nodes": Whole(1, 100_000, "1"),
    "sync_batchnorm": Flag(),
    "rank_timeout_minutes": Number(above=0, most=1_000_000, example="30"),
}

LOGGERS: Mapping[str, Kinds] = {
    "csv": {},
    "tensorboard": {},
    "wandb": {"project": Text("lungseg"), "group": or_null(Text("my_group"))},
}

TRANSFERRED: Kinds = {  # of every net
    "name": Text("unet"),
    "pretrained": Flag(),
    "freeze": Flag(),
    "weights": or_null(Text("runs/my_run", "a file of weights or a run directory")),
}

RATE = Number(above=0, most=1000, example="1e-3")
DECAY = Number(least=0, most=1000, example="1e-4")

COMPONENTS: Mapping[str, Mapping[str, Kinds]] = {
    "task": {},  # of others than SEGMENTATION
    "model": {
        "lungseg.models.smp.build": {
            **TRANSFERRED,
            "arch": Text("segmentation_models_pytorch.Unet", "the dotted path of a class"),
            "encoder": Text("resnet34", "the name of an encoder"),
        },
        "lungseg.models.unet_classic.build": {
            **TRANSFERRED,
            "width": Whole(1, 1_000_000, "64"),
            "depth": Whole(1, 1000, "4"),
            "bilinear": Flag(),
        },
        "lungseg.models.unet3d.build": {
            **TRANSFERRED,
            "width": Whole(1, 320, "24"),
            "depth": Whole(1, 8, "4"),
            "residual": Flag(),
            "strides": Either((AUTO, Several(STRIDE, name="a [z,y,x] for each level")), "auto"),
        },
    },
    "loss": {
        "lungseg.tasks.losses.segmentation.BCEDice": {"bce": WEIGHT, "dice": WEIGHT},
        "lungseg.tasks.losses.segmentation.Focal": {"alpha": SHARE, "gamma": WEIGHT},
        "lungseg.tasks.losses.segmentation.Tversky": {"alpha": WEIGHT, "beta": WEIGHT},
    },
    "optim": {
        "torch.optim.AdamW": {"lr": RATE, "weight_decay": DECAY},
        "torch.optim.Adam": {"lr": RATE},
        "torch.optim.SGD": {
            "lr": RATE,
            "momentum": Number(least=0, below=1, example="0.9"),
            "nesterov": Flag(),
            "weight_decay": DECAY,
        },
    },
    "schedule": {
        "lungseg.training.lr_schedules.cosine": {"warmup": Number(least=0, below=1, example="0.05"), "floor": SHARE},
        "lungseg.training.lr_schedules.plateau": {
            "monitor": Text("val/dice", "a metric of the validation cases"),
            "factor": Number(above=0, below=1, example="0.3"),
            "patience": Whole(0, example="3", name="a number of epochs"),
            "mode": Choice(("min", "max"), "min"),
        },
        "lungseg.training.lr_schedules.restarts": {"epochs": Whole(1, 1_000_000, "5"), "longer": Whole(1, 1000, "2")},
    },
    "callbacks": {
        "lungseg.training.callbacks.Overlays": {"number": Whole(1, 64, "4", "a number of cases")},
        "lungseg.training.callbacks.Curves": {},
        "lungseg.sweep.search.pruning.Prune": {},
    },
    "augment": {
        "albumentations.HorizontalFlip": {},
        "albumentations.Affine": {"scale": POSITIVE_LIMITS, "translate_percent": LIMITS, "rotate": LIMITS},
        "albumentations.ElasticTransform": {"alpha": WEIGHT, "sigma": Number(least=1, example="6")},
        "albumentations.RandomBrightnessContrast": {"brightness_limit": LIMITS, "contrast_limit": LIMITS},
        "albumentations.RandomGamma": {"gamma_limit": POSITIVE_LIMITS},
        "albumentations.CLAHE": {"clip_limit": LIMITS},
        "albumentations.Downscale": {"scale_range": Row((SHARE, SHARE), "[0.5,0.9]", "two shares, the lower first")},
        "albumentations.GaussNoise": {"std_range": Row((SHARE, SHARE), "[0.01,0.05]", "two numbers from 0 to 1")},
        "albumentations.GaussianBlur": {"blur_limit": Either((Whole(0), Row((Whole(0), Whole(0)))), "[3,5]")},
    },
}

OF_A_TRANSFORM: Kinds = {"p": SHARE}
OF_HYDRA: Kinds = {
    "_target_": Text("package.module.name", "a dotted path"),
    "_partial_": Flag(),
    "_recursive_": Flag(),
    "_convert_": Choice(("none", "partial", "object", "all"), "all"),
    "_args_": Several(Anything(), "[]", least=0),
}
