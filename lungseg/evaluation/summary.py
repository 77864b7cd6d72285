"""Writes and reads ``summary.json`` of a judgement; every value that a comparison uses is of the right kind."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from lungseg.core.atomic_io import write_json
from lungseg.core.disk_format import FileSchema, Pair, Schema, Whole, mistake_in, require_known_format
from lungseg.core.errors import UserError
from lungseg.core.security.safe_json import read_object
from lungseg.core.shell_commands import evaluate_command
from lungseg.tasks.columns import Role

FILE = "summary.json"
NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}", re.ASCII)  # of a column
NEEDED = ("regions", "results", "task", "data", "split", "cases")

Score = float | dict[str, float | None] | None  # numbers by name are those of the severity
Scores = dict[str, dict[str, Score]]  # region -> metric -> score


class Calibration(Schema):
    """Says how far the probabilities of a region can be believed."""

    expected_error: float | None = None
    maximum_error: float | None = None
    brier: float | None = None
    bins: list[Pair | None] = Field(default_factory=list)


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise PydanticCustomError("name_type", "a name of at most 100 letters, digits, . _ + and -")
    return value


def _digits(value: int) -> int:
    if not 0 <= value <= 10:
        raise PydanticCustomError("digits_type", "a whole number from 0 to 10")
    return value


class DeclaredColumn(Schema):
    """Says what a column of the table is, as ``lungseg.tasks.columns.Column`` does."""

    name: Annotated[str, AfterValidator(_name)]
    title: str
    unit: str = ""
    higher: bool | None = True
    digits: Annotated[int, AfterValidator(_digits)] = 3
    undefined: str = ""
    total: Literal["mean", "sum", "agreement", "none"] = "mean"
    summary: str = ""
    derived: bool = False
    board: bool = False
    printed: str = ""
    role: Role = "none"
    pictured: bool = False
    within_sizes: bool = False


class Summary(FileSchema):
    """Says what a judgement came to; keys that only people read are kept unread."""

    regions: list[str]
    results: dict[str, Scores]  # by whose predictions they are: model, tuned, mean_mask, all_background
    task: str
    data: str
    split: str
    cases: Whole
    unit: str = "px"
    tta: str = "none"
    threshold: float = 0.5
    members: Whole = 1
    weight: Literal["images", "patients"] = "images"
    tolerances: list[float] = Field(default_factory=list)
    command: str | None = None
    on_training_images: bool | None = None
    columns: list[DeclaredColumn] = Field(default_factory=list)  # none: as segmented regions had them before
    calibration: dict[str, Calibration | None] | None = None


def write_summary(folder: Path, content: Mapping[str, Any]) -> None:
    """Writes it with the number of its format."""
    write_json(folder / FILE, {"format": Summary.newest, **content})


def read_summary(path: Path) -> dict[str, Any]:
    """Reads and checks it; what is not as evaluate.py writes it is named."""
    again = f"judge the run again: {evaluate_command(path.parents[2])}"
    content = read_object(path, again)
    require_known_format(Summary, content, path)
    mistake = mistake_in(Summary, content)
    lacking = [key for key in NEEDED if not content.get(key)]
    if lacking or (mistake and mistake.key in NEEDED):
        key = mistake.key if mistake and mistake.key in NEEDED else lacking[0]
        raise UserError(f"{path}: has no {key} as evaluate.py writes it; {again}")
    if mistake and mistake.key == "weight":
        raise UserError(f"{path}: has weight={mistake.value!r}; expected {mistake.expected}; {again}")
    if mistake:
        raise UserError(f"{path}: {mistake}; {again}")
    if not all(content["regions"]) or len(set(content["regions"])) < len(content["regions"]):
        raise UserError(f"{path}: regions: expected different names; {again}")
    return content
