"""The report's texts: the same in every language, and without a number of their own."""

import re

import jinja2
import pytest
import yaml
from bs4 import BeautifulSoup
from jinja2 import meta
from markupsafe import Markup

from lib import words
from lib.report import export

ENGLISH = words.load("en")
FORMULA = re.compile(r"\$\$?[^$]+\$\$?")
LINK = re.compile(r"\]\((#[^)]+)\)")


def test_a_language_that_is_not_there_lists_those_that_are():
    assert set(words.LANGUAGES) == {"en", "zh"}
    with pytest.raises(words.WordsError, match="no language 'fr'; there are: en, zh"):
        words.load("fr")


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_every_text_is_there_in_every_language(language):
    here, there = words.load(language).texts, ENGLISH.texts
    assert set(here) - set(there) == set(), f"only in {language}"
    assert set(there) - set(here) == set(), f"not in {language}"
    for key, text in here.items():
        assert text.strip(), key
        asked = [meta.find_undeclared_variables(jinja2.Environment().parse(t)) for t in (text, there[key])]
        assert asked[0] == asked[1], f"{key} takes other values in {language}"
        for same in (FORMULA, LINK, re.compile("<cite>.*?</cite>"), re.compile("```[^`]+```")):
            assert sorted(same.findall(text)) == sorted(same.findall(there[key])), f"{key} in {language}"


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_keys_are_what_they_look_like(language):
    """YAML reads a key such as ``on`` as true, and takes the second of two equal keys in silence."""
    source = (words.TEXTS / f"{language}.yaml").read_text(encoding="utf-8")

    def look(node, place=""):
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"twice the same key in {place}"
            for key, value in node.value:
                assert key.tag.endswith(":str"), f"{key.value} in {place} is no text to YAML: choose another key"
                look(value, f"{place}.{key.value}")

    look(yaml.compose(source))


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_no_text_holds_a_number_of_its_own(language):
    for key, text in words.load(language).texts.items():
        code = re.compile("`[^`]+`") if key.startswith("excerpts.") else FORMULA  # compared with the code itself
        assert not export.unsourced(BeautifulSoup(FORMULA.sub("", code.sub("", text)), "html.parser")), key


def test_values_are_filled_in_and_escaped():
    language = {"locale": "en_GB", "html": "en", "script": "latin"}
    words_ = words.Words("en", {"language": language, "a": {"b": "x {{ y }}"}})
    assert words_("a.b", y="<1>") == "x &lt;1&gt;"
    assert words_.plain("a.b", y="<1>") == "x <1>"
    with pytest.raises(words.WordsError, match="'a.b'.*'y' is undefined"):
        words_("a.b")
    with pytest.raises(words.WordsError, match="no text 'a.c'"):
        words_("a.c")


def test_lists_and_dates_are_the_languages():
    chinese = words.load("zh")
    assert ENGLISH.list(["a", "b<", "c"]) == "a, b&lt; and c"
    assert chinese.list(["a", "b", "c"]) == "a、b 和 c"
    assert chinese.list(["甲", Markup("<b>乙</b>")]) == "甲和<b>乙</b>"
    assert chinese.list(["甲", Markup("<b>b</b>")]) == "甲和 <b>b</b>"
    assert (chinese.list(["甲"]), chinese.list([])) == ("甲", "")
    assert ENGLISH.date("2026-11-24") == "24 November 2026"
    assert chinese.date("2026-11-24") == "2026年11月24日"
    assert ENGLISH.date("last week") == "last week"
    assert ENGLISH.date("") == ""
