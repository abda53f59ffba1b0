"""Functions that are watched, or interrupted, while something else calls them."""


def spy(monkeypatch, owner, name, see):
    """Call `see` with what a function returns, and its arguments."""
    original = getattr(owner, name)

    def wrapper(*args, **kwargs):
        result = original(*args, **kwargs)
        see(result, *args)
        return result

    monkeypatch.setattr(owner, name, wrapper)


def interrupting(
    monkeypatch, owner, name, call, afterwards=False, error=KeyboardInterrupt
):
    """Raise at a call of a function, before or after it has done its work; once."""
    original, calls = getattr(owner, name), []

    def wrapper(*args, **kwargs):
        calls.append(name)
        if len(calls) == call and not afterwards:
            raise error
        result = original(*args, **kwargs)
        if len(calls) == call:
            raise error
        return result

    monkeypatch.setattr(owner, name, wrapper)
    return calls
