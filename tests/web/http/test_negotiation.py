"""What a caller accepts, and what it gets."""

import pytest

from service.errors import NotAcceptable
from service.web.http.negotiation import choose

JSON, PNG, ZIP = OFFERS = ("application/json", "image/png", "application/zip")
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROME_IMG = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("image/png", PNG),
        ("IMAGE/PNG", PNG),
        ("image/*", PNG),
        ("application/zip", ZIP),
        ("image/png, application/json", JSON),  # equal: ours first
        ("image/png, application/json;q=0.9", PNG),
        ("application/json; q=0.2, image/png ; q=0.3", PNG),
        ("application/json; q=.2, image/png; q=.3", PNG),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON),  # Java's
        ("application/json;q=0.12345, image/png;q=0.2", PNG),
        ("image/png;q=0.3, application/zip;q=0.5, */*;q=0.1", ZIP),
        ("application/json;q=0, */*", PNG),
        ("application/json;q=0, image/*;q=0, */*;q=0.001", ZIP),
        ("image/*;q=0.9, image/png;q=0, application/*;q=0.1", JSON),
        ("text/html, */*;q=0.1", JSON),
        ("application/json;q=nan, image/png;q=0.1", PNG),
        ("application/json;charset=utf-8", JSON),
        ("nonsense, /, */png, image/png", PNG),
        (FIREFOX, JSON),
        (CHROME_IMG, PNG),
    ],
)
def test_the_answer_is_the_offer_that_the_caller_likes_best(
    accept: str | None, given: str
) -> None:
    assert choose(accept, OFFERS) == given


@pytest.mark.parametrize(
    "accept",
    ["text/html", "*/*;q=0", "image/jpeg, text/*", "nonsense", "image/png;q=2"],
)
def test_where_nothing_will_do_the_offers_are_named(accept: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        choose(accept, OFFERS)
    assert "expected application/json or image/png or application/zip" in str(
        caught.value
    )
    assert repr(accept) in str(caught.value)
