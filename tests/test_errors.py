"""What goes wrong, said in the language of the notebook in which it goes wrong."""

import ast
import re

import pytest
import yaml
from jupyter_client.manager import start_new_kernel
from pydantic import ValidationError

from lib import data, words
from lib.compare import grid
from lib.files import LIB
from lib.loss import nt_xent_loss
from lib.models import SimCLR
from lib.runs import parameters, shipped
from lib.words import TEXTS

#: What a student may meet in a lesson. Of the parts left out, errors are for the terminal.
MET = ("data", "runs", "compare", "augment", "training", "evaluation", "methods", "explore/subject.py", "weights.py",
       "models.py", "loss.py", "files.py", "cli/jobs.py", "cli/state.py")  # fmt: skip
ELSEWHERE = ("training/distributed.py", "runs/profiles.py")
#: Of ``cli/state.py`` and ``files.py``, what only the terminal says.
TERMINAL = {
    "no place for this content: the page lacks the mark <!-- {} --> with <!-- end --> below.",
    "The notebook of {} came to its end and left no record.json: does it call record.save()?",
    "{} is open in another program: close it and run the same command again.",
}
ENGLISH = re.compile(r"(?<![\w/.`])[A-Za-z]{2,}(?: [a-z]{2,}){2,}")
ZH = yaml.safe_load((TEXTS / "errors/zh.yaml").read_text(encoding="utf-8"))


def template(node):
    """A message as the code has it, {} for a value; None for what is no message of words."""
    if isinstance(node, ast.Constant):
        said = node.value if isinstance(node.value, str) else ""
    else:
        said = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in getattr(node, "values", ()))
    return re.sub(r"(\{\})[ {}]*(?=\{\})", "", said) if re.search("[a-z]+ [a-z]+", said) else None


def messages(path):
    """What a file raises, warns of, or yields as a complaint."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Raise(exc=ast.Call(args=[said, *_])):
                yield template(said)
            case ast.Yield(value=ast.Constant() | ast.JoinedStr() as said):
                yield template(said)
            case ast.Call(func=ast.Attribute(attr="warn"), args=[said, *_]):
                yield template(said)


def met():
    files = [
        path for part in MET for path in ([LIB / part] if part.endswith(".py") else sorted((LIB / part).glob("*.py")))
    ]
    files = [path for path in files if path.relative_to(LIB).as_posix() not in ELSEWHERE]
    return {said for path in files for said in messages(path) if said} - TERMINAL


def test_every_error_that_a_student_may_meet_is_there_in_chinese():
    assert sorted(met() - set(ZH)) == []


def test_no_translation_is_of_an_error_that_is_no_more():
    code = " ".join(path.read_text(encoding="utf-8") for path in LIB.rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code)  # strings in several parts
    plain = [max(english.split("{}"), key=len) for english in ZH]
    ours = [part for part in plain if not part.startswith(("input should", "string should", "list should", " item"))]
    assert [part for part in ours if part.strip(" .:,") not in code] == []


def test_the_values_of_each_have_a_place():
    for english, chinese in ZH.items():
        places = {int(place) for place in re.findall(r"\{(\d)\}", chinese)}
        assert places <= set(range(english.count("{}"))), english
        assert re.search("[一-鿿]", chinese) or english == "ValueError: {}", english


def raised(call):
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    assert not isinstance(error.value, ValidationError)
    return str(error.value)


GIVEN = {"recipe": "quick", "profile": "explore", "run": "x", "runs": "", "seed": 0, "language": "zh"}
WRONG = {
    "several": lambda: parameters.read(
        "mnist", GIVEN | {"temperature": -1.0, "epochs": 1.5, "views": "none", "seed": -1}
    ),
    "lists": lambda: parameters.read("mnist", GIVEN | {"labelled_chunks": [], "projection": [1] * 6, "run": "a/b"}),
    "unknown": lambda: parameters.read("mnist", GIVEN | {"In": ["# Parameters\ntemprature = 1"], "temprature": 1}),
    "together": lambda: parameters.read("mnist", GIVEN | {"small_crops": [[1, 16]], "encoder": "small_cnn"}),
    "left out": lambda: parameters.read("mnist", GIVEN | {"left_out": ["Blur"]}),
    "recipe": lambda: parameters.read("mnist", GIVEN | {"recipe": "best"}),
    "compare": lambda: grid.expand("mnist", [0], {"temprature": [1]}),
    "compare twice": lambda: grid.expand("mnist", [0], {"temperature": [0.0, -1.0], "recipe": "quick"}),
    "data": lambda: data.load("mnits"),
    "chunks": lambda: data.chunks(data.samples.SAMPLES["mnist"](), 0),
    "encoder": lambda: shipped.load_trained("nothing"),
    "network": lambda: SimCLR("resnet19"),
    "weights": lambda: SimCLR("resnet18", weights="/nowhere.pth"),
    "loss": lambda: nt_xent_loss(data.samples.SAMPLES["mnist"]().train_images[:3].flatten(1).float()),
}


@pytest.mark.parametrize("which", WRONG)
def test_what_is_raised_is_said_in_chinese_and_in_nothing_else(which):
    message = raised(WRONG[which])
    said = words.load("zh").error(message)
    assert re.search("[一-鿿]{3}", said)
    assert not ENGLISH.search(said), said
    assert words.load("en").error(message) == message


def test_sentences_and_values_within_are_taken_one_by_one():
    say = words.load("zh").error
    assert say("There is no parameter 'a'. There is no parameter 'b'. There are: c.") == (
        "没有名为 'a' 的参数。没有名为 'b' 的参数。可用的有：c。"
    )
    assert say("/a. b/x.pt is damaged: it is empty. It was renamed to y, and this phase starts anew.") == (
        "/a. b/x.pt 已损坏：文件是空的。它已改名为 y，这一阶段从头开始。"
    )
    assert say("division by zero") == "division by zero"
    assert say("The parameter 'x' is missing. What else?") == "缺少参数 'x'。What else?"


CODE = """
from lib.runs import lab
recipe, profile, run, runs, seed, temperature, language = "quick", "explore", "x", {runs!r}, 0, 0.0, {language!r}
lab.begin("mnist", globals())
"""


@pytest.mark.slow
def test_a_notebook_shows_them_in_its_language(tmp_path):
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=120)
    seen = {}
    try:
        for language in ("zh", "en"):
            code = CODE.format(runs=str(tmp_path), language=language)
            put_out = []
            reply = client.execute_interactive(code, timeout=120, output_hook=put_out.append)["content"]
            (error,) = [message["content"] for message in put_out if message["msg_type"] == "error"]
            assert reply["status"] == "error"
            seen[language] = error["evalue"], reply["evalue"], "".join(error["traceback"])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert seen["zh"][0] == seen["zh"][1] == "temperature = 0.0 不正确：应大于 0。"
    assert "ParameterError" in seen["zh"][2]
    assert seen["en"][0] == "temperature = 0.0 is not right: input should be greater than 0."
