"""Writes and reads ``study.json``: what a study is, and every command line of it."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from lungseg.core.atomic_io import write_atomically
from lungseg.core.disk_format import FileSchema, read_checked
from lungseg.core.errors import UserError

FILE = "study.json"


class StudyJson(FileSchema):
    """Says what the file holds."""

    id: str | None = None  # its name in a storage that it shares with others; the oldest had none
    folder: str
    study: str  # the YAML that it was read from
    size: str
    about: str
    command: str
    directory: str  # from which relative paths hold
    given: dict[str, str]
    content: dict[str, Any]  # of the YAML
    trials: dict[str, str] = Field(default_factory=dict)  # name -> command line


def write_study_json(path: Path, content: StudyJson) -> None:
    """Writes all of it or leaves the file as it was."""
    write_atomically(path, json.dumps(content.model_dump(), indent=1) + "\n")


def read_study_json(path: Path, remedy: str) -> StudyJson:
    """Reads it; ``remedy`` ends the message where that cannot be. FileNotFoundError where there is none."""
    try:
        return StudyJson.model_validate(read_checked(StudyJson, path))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); {remedy}") from None
