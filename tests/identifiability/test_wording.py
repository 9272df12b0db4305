"""Numbers and lists in sentences."""

import math

import pytest

from gait import identifiability
from gait.identifiability.wording import finite, listed, percent, rounded


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"), (1.0, "100 %"), (0.38, "38 %"), (0.0803, "8 %"), (0.1234, "12 %"), (0.0091, "0.91 %"),
        (9.6e-5, "0.0096 %"), (0.994, "99.4 %"), (0.995, "99.5 %"), (0.999, "99.9 %"), (0.99996, "99.996 %"),
        (1e-9, "less than 0.0001 %"), (1.0 - 1e-9, "more than 99.9999 %"),
    ],
)  # fmt: skip
def test_shares_have_no_exponent_and_do_not_claim_all_or_nothing(share, text):
    assert percent(share) == text


def test_the_usual_format_would_write_an_exponent():
    """Negative control: from 99.5 % on, two digits of a float are 1e+02."""
    assert f"{100 * 0.995:.2g} %" == "1e+02 %"


def test_every_share_is_rounded_to_two_digits_of_the_nearer_end():
    for thousandth in range(1, 1000):
        share = thousandth / 1000
        shown = float(percent(share).removesuffix(" %")) / 100
        assert 0.0 < shown < 1.0
        assert abs(shown - share) <= 0.051 * min(share, 1.0 - share)


def test_a_parameter_that_nothing_imitates_is_reported_in_plain_numbers():
    """Outputs of one parameter each: the whole effect is unique to it."""
    points = [[1.0, 2.0], [1.5, 2.5], [2.0, 3.0], [1.2, 2.9], [1.7, 2.1]]
    report = identifiability.analyse(lambda theta: theta, points, ["a", "b"])
    assert report.sentences()[0] == "a can be recovered: 100 % of its effect cannot be imitated by other parameters."


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (550.0, 2, "550"), (6180.0, 2, "6200"), (0.00038, 2, "0.00038"), (408.02, 3, "408"), (3.0602, 3, "3.06"),
        (0.0, 3, "0"), (-0.0204, 2, "-0.02"), (1.0e7, 2, "1e+07"), (3.8e-7, 2, "3.8e-07"), (math.inf, 2, "inf"),
    ],
)  # fmt: skip
def test_numbers_have_no_exponent_within_ten_decades(value, digits, text):
    assert rounded(value, digits) == text


def test_lists():
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"], "or")] == [
        "nothing", "a", "a and b", "a, b or c",
    ]  # fmt: skip


def test_json_numbers():
    assert [finite(1.5), finite(math.inf), finite(math.nan)] == [1.5, None, None]
