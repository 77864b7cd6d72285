"""Numbers with their noun."""


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """Join a number and its noun: ``1 case``, ``2 cases``; ``nouns`` where an s is not enough."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"
