import pytest

from loadtest.load import MixError, check_ready, default_mix, parse_mix, show_mix


def test_shares_add_up_to_one() -> None:
    assert parse_mix("digits=60, sentiment=20,party=20") == {
        "digits": pytest.approx(0.6),
        "sentiment": pytest.approx(0.2),
        "party": pytest.approx(0.2),
    }


def test_a_name_alone_weighs_one() -> None:
    assert parse_mix("digits,party=3") == {"digits": 0.25, "party": 0.75}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("letters=1", "expected one of digits, .* received 'letters'"),
        ("digits=1,digits=2", "digits is named twice"),
        ("digits=0", "digits: expected a number above 0, received '0'"),
        ("digits=many", "received 'many'"),
        ("digits=inf", "received 'inf'"),
        ("", "received ''"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, message: str) -> None:
    with pytest.raises(MixError, match=message):
        parse_mix(text)


def test_the_default_is_what_is_ready() -> None:
    mix = default_mix(["digits", "party", "of_my_own"])

    assert mix == {"digits": pytest.approx(6 / 7), "party": pytest.approx(1 / 7)}
    assert set(default_mix(["clothing_vae"])) == {"clothing"}


def test_nothing_ready_is_said() -> None:
    with pytest.raises(MixError, match="no model ready"):
        default_mix(["of_my_own"])


def test_a_model_that_is_not_ready_is_named() -> None:
    check_ready({"digits": 1}, ["digits"])
    with pytest.raises(
        MixError, match=r"clothing needs .*clothing_gan or clothing_vae"
    ):
        check_ready({"clothing": 1}, ["digits"])


def test_a_mix_reads_well() -> None:
    assert show_mix(parse_mix("digits=2,party=1")) == "digits 66.7 %, party 33.3 %"
