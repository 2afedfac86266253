"""What the teacher's pages and files say, in English and in Chinese: ``words.yaml``."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEXTS = Path(__file__).with_name("words.yaml")


class Words:
    """The texts of one language. ``say["key"]`` as it is, ``say("key", name=…)`` filled in."""

    def __init__(self, language: str, texts: dict[str, str]):
        self.language, self.texts = language, texts

    def __getitem__(self, key: str) -> str:
        return self.texts[key]

    def __call__(self, key: str, **given: Any) -> str:
        return self.texts[key].format(**given)

    @property
    def html(self) -> str:
        """The language as HTML names it."""
        return "zh-CN" if self.language == "zh" else "en"


@cache
def load(language: str) -> Words:
    """The texts of a language, ``en`` or ``zh``."""
    both = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    return Words(language, {key: str(text[language]).rstrip("\n") for key, text in both.items()})
