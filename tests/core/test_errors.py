"""What is said of a name that does not exist."""

import pytest

from bbo import catalogue
from bbo.errors import unknown

MANY = [f"landscape-{i:03}" for i in range(200)]


def test_few_names_are_all_listed():
    assert str(unknown("suite", "nope", ["quick", "core"])) == "unknown suite 'nope': known: core, quick"
    assert str(unknown("suite", "quik", ["quick", "core"])) == "unknown suite 'quik': did you mean quick? known: core, quick"
    assert str(unknown("suite", "quik", [], "see: bbo list suites")) == "unknown suite 'quik': known: none (see: bbo list suites)"


def test_of_many_names_the_five_nearest_are_listed():
    text = str(unknown("variant", "xyz", MANY))
    assert "the nearest of 200 are" in text
    assert text.count("landscape") == 5
    text = str(unknown("variant", "landscape-0199", MANY))
    assert "did you mean landscape-019" in text
    assert text.count("landscape") == 6


@pytest.mark.parametrize("short", ["lr", "LR", "learning"])
def test_initials_and_beginnings_are_near(short):
    names = catalogue.load_method("coms").settings()
    assert "did you mean learning_rate" in str(unknown("setting", short, names))
    assert "layers?" not in str(unknown("setting", short, names))


def test_a_variant_is_no_wall_of_text():
    with pytest.raises(Exception, match="EGR2_REF_R1") as error:
        catalogue.load_task("tfbind8:EGR2")
    assert len(str(error.value)) < 200
