import base64
import io

from PIL import Image

from benchmarks.pictures import load_pictures


def test_the_pictures_show_all_ten_digits() -> None:
    pictures = load_pictures()

    assert {picture.digit for picture in pictures} == set(range(10))
    with Image.open(io.BytesIO(pictures[0].png)) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (28, 28), "L")


def test_a_picture_is_sent_as_it_is_in_base64() -> None:
    picture = load_pictures()[1]

    assert base64.b64decode(picture.fields["image"]) == picture.png
