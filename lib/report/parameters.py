"""What the report notebook takes."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from lib.runs.parameters import Name, Parameters
from lib.words import LANGUAGES

Text = Annotated[str, BeforeValidator(str)]  # a student number or a date may come as what YAML makes of it


class ReportParameters(Parameters):
    """Language and cover data of the report, and where its records are."""

    language: Literal[LANGUAGES]
    runs: str
    profile: Name
    student: Text
    number: Text
    programme: Text
    course: Text
    date: Text
    teacher: Text
    words: str  # the path of the student's own words; empty: none
