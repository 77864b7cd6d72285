"""Checks what is read from disk against its schema; what is wrong is told by key, what was found and expected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from lungseg.core.errors import UserError
from lungseg.core.security.safe_json import described, is_kind, parse_json, read_plain_file

EXPECTED: Mapping[str, str] = {  # pydantic's name for a mistake -> what was expected
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_type": "a number",
    "greater_than": "a whole number",
    "int_type": "a whole number",
    "less_than": "a whole number",
    "list_type": "a list",
    "model_type": "an object",
    "string_type": "a text",
}

Whole = Annotated[int, Field(gt=-(2**63), lt=2**63)]  # beyond it no other reader keeps a number as it is


def _pair(value: list[float]) -> list[float]:
    if len(value) != 2:
        raise PydanticCustomError("pair_type", "pairs of numbers")
    return value


Pair = Annotated[list[float], AfterValidator(_pair)]


class Schema(BaseModel):
    """Says what a part of a file may hold; nothing is made of another kind, and further keys are kept unread."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")


class FileSchema(Schema):
    """Says what a file may hold. ``newest``: the format that is written; a file without a number is older."""

    newest: ClassVar[int] = 1

    format: Whole = 1


@dataclass(frozen=True)
class Mistake:
    """Holds what is wrong with a file: where, and what was expected there. ``missing``: nothing is there."""

    place: tuple[str | int, ...]
    value: Any
    expected: str
    missing: bool = False

    @property
    def key(self) -> str:
        return ".".join(str(part) for part in self.place)

    def __str__(self) -> str:
        if self.missing:
            return f"{self.key} is missing"
        return f"{self.key} is {described(self.value)}; expected {self.expected}"


def require_known_format(schema: type[FileSchema], content: Mapping[str, Any], path: Path) -> None:
    """Refuses a file of a newer lungseg by its number, before anything else of it is looked at."""
    found = content.get("format")
    if isinstance(found, int) and is_kind(found, int) and found > schema.newest:
        raise UserError(f"{path}: format {found} is of a newer lungseg; this one knows {schema.newest}: update lungseg")


def read_checked(
    schema: type[FileSchema], path: Path, told: Callable[[Mistake, Mapping[str, Any]], str] | None = None
) -> dict[str, Any]:
    """Reads a file; ValueError with what is wrong with it, as ``told`` says it, or OSError where it cannot be read."""
    content = parse_json(read_plain_file(path))
    if not isinstance(content, dict):
        raise ValueError("expected an object")
    require_known_format(schema, content, path)
    if mistake := mistake_in(schema, content):
        raise ValueError(str(mistake) if told is None else told(mistake, content))
    return content


def mistake_in(schema: type[Schema], content: Any) -> Mistake | None:
    """Returns the first mistake of a file, the innermost where several kinds were possible; None where all is right."""
    try:
        schema.model_validate(content)
    except ValidationError as error:
        mistakes = [_mistake(one, content) for one in error.errors(include_url=False)]
        first = mistakes[0].place[:1]
        return max((one for one in mistakes if one.place[:1] == first), key=lambda one: len(one.place))
    return None


def _mistake(error: ErrorDetails, content: Any) -> Mistake:
    missing = error["type"] == "missing"
    place: list[str | int] = []
    value = content
    for part in error["loc"]:  # names of the kinds that were tried stand among the keys
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            if missing:
                place.append(part)
            continue
        place.append(part)
    return Mistake(tuple(place), value, _expected(error), missing)


def _expected(error: ErrorDetails) -> str:
    if error["type"] == "literal_error":
        options = str(error["ctx"]["expected"]).replace("'", "")
        return options.replace(" or ", ", ") if "," in options else options
    return EXPECTED.get(error["type"], error["msg"])
