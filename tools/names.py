def names(text: str) -> tuple[str, ...]:
    """The words of `text`: long lists of names read better as prose."""
    return tuple(text.split())
