"""Numbers with their noun."""


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """Join a number and its noun: ``1 case``, ``2 cases``; ``nouns`` where an s is not enough."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def article(noun: str) -> str:
    """Returns ``a`` or ``an``, as a noun is said: an IoU, an HD95, a Dice."""
    spelled = noun[:2].isupper()  # letter by letter
    return "an" if noun[:1].upper() in ("AEFHILMNORSX" if spelled else "AEIOU") else "a"
