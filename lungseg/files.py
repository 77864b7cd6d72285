from pathlib import Path

from lungseg.errors import UserError


def write_atomically(path: Path, text: str) -> None:
    """All of the text or the file as it was."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path}: cannot be written ({error.strerror}); free space or choose another place") from None
