"""Says what each command of ``lungseg`` does, which keys it takes, and how it is typed."""

from dataclasses import dataclass

from lungseg.core.config.compose import options, studies

OUT = "out=FOLDER, -o FOLDER, --out FOLDER"


@dataclass(frozen=True)
class Command:
    """Describes a command: its words, what follows them, what it does, its keys, and lines that can be pasted."""

    name: str
    usage: str
    about: str
    keys: str
    examples: tuple[str, ...]


DATA_KEYS = f"""root=FOLDER where the data lies; any key of conf/data/NAME.yaml and of data in conf/train.yaml;
task=...; {OUT} where tables and pictures go"""

SWEEP_KEYS = """\
KEY is an axis of a grid, of which a part is run (arm=scratch,frozen seed=0); a key of lungseg train, for
all trials; or how the study is worked through: executor=local|slurm|ray, slots, workers, resources.gpus,
resources.cpus, slurm.KEY, ray.address, retries, shrink, storage, heartbeat, objective; of a search: budget.trials,
budget.hours, sampler, sampler_seed, pruner, seeds, folds, retrain. All of them, and what a study's YAML holds:
docs/studies.md; clusters: docs/cluster.md. trust=my_package.module: where the study names code of your own (or
LUNGSEG_TRUST)."""

COMMANDS = (
    Command(
        "train", "[GROUP=OPTION] [KEY=VALUE ...] [-m] [--config-dir FOLDER]",
        "Train one experiment, then test its best weights once.",
        "as python train.py; -o FOLDER is run_dir=FOLDER; --config-dir adds a folder of your own configs",
        ("lungseg train", "lungseg train model=deeplabv3 task=infection -o runs/mine"),
    ),
    Command(
        "evaluate", "run=RUN [KEY=VALUE ...]", "Judge a finished run again, or an ensemble of runs.",
        f"as python evaluate.py; {OUT}",
        ("lungseg evaluate run=runs/mine", "lungseg evaluate run=runs/mine split=val threshold=0.4"),
    ),
    Command(
        "data get", "NAME [into=FOLDER]", "Say a data set's licence, download and check it; or say the steps by hand.",
        "into=FOLDER, -o FOLDER, --out FOLDER", ("lungseg data get covid_qu_ex into=covid_qu_ex",),
    ),
    Command(
        "data check", "NAME root=FOLDER [KEY=VALUE ...]",
        "Say what a data set holds, and what of it would harm a training.", DATA_KEYS,
        ("lungseg data check phantom", "lungseg data check folder root=my_data -o checks/mine"),
    ),
    Command(
        "data audit", "NAME root=FOLDER [KEY=VALUE ...]",
        "Look for copies across splits, and for classes that the frame or the file tells.", DATA_KEYS,
        ("lungseg data audit covid_qu_ex root=covid_qu_ex",),
    ),
    Command(
        "data split", "NAME root=FOLDER folds=N [KEY=VALUE ...]",
        "Write splits without a patient on two sides, as files.", DATA_KEYS,
        ("lungseg data split shenzhen_montgomery root=shenzhen_montgomery folds=5",),
    ),
    Command(
        "sweep", "STUDY [size=SIZE] [KEY=VALUE ...]",
        "Run the trials of a study; what was stopped goes on; then make the page that compares them.",
        f"{SWEEP_KEYS}\n{OUT} where all runs lie (studies/STUDY-SIZE)",
        ("lungseg sweep sweeps/losses.yaml size=small", "lungseg sweep sweeps/losses.yaml loss=bce,dice slots=2"),
    ),
    Command(
        "sweep status", "[FOLDER ...]", "Say how far studies are, from any shell.", "none",
        ("lungseg sweep status", "lungseg sweep status studies/losses-small"),
    ),
    Command(
        "sweep join", "FOLDER [slots=N]", "Help a study, from any machine.", "slots=N trials at once",
        ("lungseg sweep join studies/losses-full slots=2",),
    ),
    Command(
        "sweep retrain", "FOLDER [seeds=3] [KEY=VALUE ...]", "Train the best of a search with new seeds.",
        "seeds=N, and where trials run: executor, slots, workers, slurm.KEY, ray.address, resources.KEY",
        ("lungseg sweep retrain studies/search-small seeds=3",),
    ),
    Command(
        "compare", "RUN [RUN ...] [KEY=VALUE ...] [--wandb]",
        "Say which of several runs is better, and how surely: tables, figures and a page.",
        f"""{OUT} (comparison); evaluation=NAME of the judgement (the own test); threshold=chosen|tuned;
weight=images|patients (the mean over all images, or over the patients' own means); by=sex (a table by that or another
attribute of the cases as well); common=true (only the cases that all have); title=...; pictures=MB|all in the page;
--wandb sends the table""",
        ("lungseg compare runs", "lungseg compare runs/a runs/b weight=patients -o my_comparison"),
    ),
    Command(
        "completion", "bash|zsh|fish", "Print what lets a shell complete commands, keys and options.", "none",
        ("source <(lungseg completion bash)", "lungseg completion fish > ~/.config/fish/completions/lungseg.fish"),
    ),
)  # fmt: skip


def help_of(words: list[str]) -> str:
    """Returns the help of the command that ``words`` begin with; of all commands where there is none."""
    plain = [word for word in words if not word.startswith("-")]
    exact = [one for one in COMMANDS if one.name.split() == plain[: len(one.name.split())]]
    if exact:
        return _of_one(max(exact, key=lambda one: len(one.name)))
    inner = [one for one in COMMANDS if one.name.split()[:1] == plain[:1]]
    return _overview(inner or list(COMMANDS))


def _of_one(command: Command) -> str:
    further = [one for one in COMMANDS if one.name.startswith(f"{command.name} ")]
    lines = [f"usage: lungseg {command.name} {command.usage}", "", command.about, "", "keys:"]
    lines += [f"  {line}" for line in command.keys.splitlines()]
    lines += ["", "examples:", *(f"  {line}" for line in command.examples)]
    if further:
        lines += ["", "further:"]
        lines += [line for one in further for line in (f"  lungseg {one.name} {one.usage}", f"      {one.about}")]
    if command.name == "sweep":
        lines += ["", f"studies here: {', '.join(studies()) or 'your own YAML'}"]
    if command.name.startswith("data"):
        lines += ["", f"names: {', '.join(options('data'))}"]
    return "\n".join(lines)


def _overview(commands: list[Command]) -> str:
    more = (
        ["", f"names of data sets: {', '.join(options('data'))}"]
        if any("NAME" in one.usage for one in commands)
        else []
    )
    return "\n".join([
        "usage: lungseg COMMAND [KEY=VALUE ...]", "", *_table(commands), *more, "",
        "lungseg COMMAND --help says more of each, with examples; lungseg --version says which this is.",
    ])  # fmt: skip


def _table(commands: list[Command]) -> list[str]:
    width = max(len(one.name) for one in commands)
    return [f"  lungseg {one.name:<{width}}  {one.about}" for one in commands]
