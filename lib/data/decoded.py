"""Images decoded once and kept: one file of pixels is read in no time, 60,000 JPEG files in many seconds.

Kept are sets of ``WORTH`` files or more, in ``data/decoded/`` of the kit and never in the folder of the images. Where
that cannot be written, the images are decoded each time.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import PIL
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lib.files import ROOT, written_whole

WORTH = 5000  # files; fewer are decoded in a second
FOLDER = ROOT / "data" / "decoded"


def kept(files: Sequence[Path], folder: Path, decode: Callable[[], Tensor]) -> Tensor:
    """The images of these files below a folder: as kept, or decoded and then kept. A tensor kept is a file mapped.

    They are decoded again when a file came, went, changed its size or was written to, and by another Pillow.
    """
    if len(files) < WORTH:
        return decode()
    place = FOLDER / f"{blake2b(os.fsencode(folder.resolve()), digest_size=8).hexdigest()}.safetensors"
    stamp = _stamp(files, folder)
    with suppress(OSError, SafetensorError), safe_open(place, "pt") as file:
        if (file.metadata() or {}).get("stamp") == stamp:
            return file.get_tensor("images")
    images = decode()
    with suppress(OSError, SafetensorError), written_whole(place) as part:
        save_file({"images": images}, part, {"stamp": stamp})
    return images


def _stamp(files: Sequence[Path], folder: Path) -> str:
    """What tells these files from others, without a look into them."""
    code, above = blake2b(PIL.__version__.encode(), digest_size=16), len(os.fsencode(folder))
    for path in files:
        name, told = os.fsencode(path), os.stat(path)
        code.update(name[above:] + b"\0%d %d\0" % (told.st_size, told.st_mtime_ns))
    return code.hexdigest()
