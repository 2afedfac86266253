"""What a student number draws."""

import pytest

from lib.runs.parameters import NOTEBOOKS
from lib.runs.profiles import cell
from lib.teach.variants import LABELLED, OPERATIONS, TEMPERATURES, draw, normalised

CLASS = [draw(f"2026{i:04}") for i in range(500)]


def test_no_two_of_a_class_have_the_same_run():
    assert len({variant.seed for variant in CLASS}) == len(CLASS)


def test_every_value_is_drawn():
    assert {v.chunk for v in CLASS} == set(LABELLED)
    assert {v.temperature for v in CLASS} == set(TEMPERATURES)
    assert {v.left_out for v in CLASS} == set(OPERATIONS)


def test_the_draw_is_the_same_on_every_machine_and_however_the_number_is_written():
    assert draw("20260001") == draw(" 2026-0001 ") == draw("２０２６０００１") == draw(20260001)
    assert draw("20260001").seed == 1569026534
    assert normalised("A-12 b") == "a12b"


def test_a_number_is_needed():
    with pytest.raises(ValueError, match="student number is needed"):
        draw(" - ")


def test_the_parameters_are_the_notebooks():
    asked = draw("20260001").parameters()
    assert set(asked) <= set(NOTEBOOKS["mnist"].model_fields)
    assert set(asked) <= set(cell("mnist"))
    assert all(0 <= variant.seed < 2**31 for variant in CLASS)
