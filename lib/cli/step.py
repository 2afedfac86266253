"""One step in a process of its own: a notebook executed, its page made, the page printed."""

import builtins
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable

from lib import progress

MEMORY = (
    "The notebook's process was killed from outside, as the system does when memory runs out. Choose a smaller "
    "batch_size or a smaller encoder (small_cnn, fast_resnet; resnet18 instead of resnet50), close other programs, "
    "and give the same command again: it goes on from the last whole epoch."
)
#: What torch says where a system refuses memory (CPU, GPU), and Windows where its paging file is too small.
NO_MEMORY = "not enough memory", "out of memory", "WinError 1455"


def end_with_parent() -> None:
    """End this process when the one that started it is gone, even killed: its end of our standard input closes.

    A kernel does the same for its own parent. ``os.read`` and not ``sys.stdin``: a thread that waits in the latter
    makes Python's own end fail.
    """

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def notebook(source: str, executed: str, parameters: str) -> None:
    """Execute a notebook as papermill does, what it prints on our standard error."""
    import papermill

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    papermill.execute_notebook(
        source, executed, json.loads(parameters), log_output=True, progress_bar=False, start_timeout=300
    )


def page(executed: str, target: str) -> None:
    """An executed report as one HTML file."""
    from lib.report.export import export

    export(executed, target)


def pdf(source: str, target: str) -> None:
    """A page as PDF."""
    from lib.report.pdf import print_pdf

    print_pdf(source, target)


STEPS: dict[str, Callable[..., None]] = {"notebook": notebook, "page": page, "PDF": pdf}


def paragraph(error: BaseException) -> str:
    """What went wrong, in the kit's own words where they are the kit's: no traceback, the log has it."""
    name, message = type(error).__name__, str(error)
    if name == "PapermillExecutionError":
        name, message = error.ename, error.evalue
    if name == "DeadKernelError" or "Kernel died" in message:
        return MEMORY
    if any(sign in message for sign in NO_MEMORY):
        return (
            "Memory ran out. Choose a smaller batch_size or a smaller encoder (small_cnn, fast_resnet; resnet18 "
            "instead of resnet50), close other programs, and give the same command again: it goes on from the last "
            f"whole epoch. ({name}: {message.strip().splitlines()[0]})"
        )
    own = not hasattr(builtins, name) and message
    return message.strip() if own else f"{name}: {message}".strip()


def main(kind: str, *words: str) -> int:
    """Take a step; a paragraph for the display if it fails."""
    end_with_parent()
    progress.tell(step=kind)
    try:
        STEPS[kind](*words)
    except KeyboardInterrupt:
        progress.tell(interrupted=kind)
        return 130
    except Exception as error:
        traceback.print_exc()
        progress.tell(failed=paragraph(error))
        return 1
    progress.tell(done=kind)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
