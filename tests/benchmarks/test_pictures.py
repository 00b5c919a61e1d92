import base64
import io
import json
from pathlib import Path

from PIL import Image

from benchmarks.pictures import JSON, PNG, load_pictures, write_bodies


def test_the_pictures_show_all_ten_digits() -> None:
    pictures = load_pictures()

    assert {picture.digit for picture in pictures} == set(range(10))
    with Image.open(io.BytesIO(pictures[0].png)) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (28, 28), "L")


def test_bodies_are_files_that_the_load_generator_counts_from_0(tmp_path: Path) -> None:
    pictures = load_pictures()[:2]

    folders = write_bodies(pictures, tmp_path)

    assert sorted(each.name for each in folders[JSON].iterdir()) == ["0", "1"]
    assert (folders[PNG] / "1").read_bytes() == pictures[1].png
    sent = json.loads((folders[JSON] / "0").read_bytes())
    assert base64.b64decode(sent["image"]) == pictures[0].png
