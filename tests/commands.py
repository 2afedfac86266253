"""What papermill makes of a line that the kit prints."""

import shlex

import yaml
from papermill.cli import _resolve_type


def parsed(line: str) -> tuple[str, dict]:
    """The notebook's name and the parameters that a line for a shell gives it."""
    program, notebook, out, *options = shlex.split(line)
    assert (program, out) == ("papermill", "out.ipynb")
    given, rest = {}, iter(options)
    for option in rest:
        if option == "-p":
            name, value = next(rest), next(rest)
            given[name] = _resolve_type(value)
        else:
            assert option == "-y"
            given |= yaml.safe_load(next(rest))
    return notebook.removeprefix("notebooks/").removesuffix(".ipynb"), given
