"""Photos on their way in, pixel by pixel, and their classes on the way out."""

import asyncio
import base64
import io
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

from service.contract.manifest import Manifest, Training
from service.contract.signature import Signature, TensorSpec
from service.engine.batching.tensors import Tensors
from service.engine.instant import InstantEngine
from service.metrics import Metrics
from service.models.photo.endpoint import EXAMPLE
from service.models.photo.middle import prepare_photo
from service.settings import Settings
from service.web.app import create_app
from service.web.state import AppState

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
PATH, PNG = "/v1/predict/photo", {"content-type": "image/png"}

MANIFEST = Manifest(
    name="photo",
    version=3,
    task="image classification",
    created=datetime(2026, 1, 1, tzinfo=UTC),
    description="",
    intended_use="",
    limits="",
    signatures={
        "serving_default": Signature(
            inputs=(
                TensorSpec(name="images", dtype="uint8", shape=(None, 224, 224, 3)),
            ),
            outputs=(
                TensorSpec(name="probabilities", dtype="float32", shape=(None, 1000)),
            ),
        )
    },
    labels=tuple(f"class {number}" for number in range(1000)),
    batch_sizes=(1,),
    constants={"wnids": [f"n{number:08}" for number in range(1000)]},
    training=Training(
        data=(),
        seed=0,
        epochs=0,
        seconds=0,
        hardware="",
        versions={},
        git_commit="",
        hyperparameters={},
    ),
    metrics={},
    files={},
)


class ReddestEngine(InstantEngine):
    """The best class is how red a photo is, 0 to 255; the next ones follow.

    Attributes:
        seen: (224, 224, 3) uint8, every photo that came.
    """

    def __init__(self, manifest: Manifest = MANIFEST) -> None:
        super().__init__(manifest, self._find_reddest)
        self.seen: list[npt.NDArray[np.uint8]] = []

    def _find_reddest(self, signature: str, rows: Tensors) -> Tensors:
        (images,) = rows
        assert images.dtype == np.uint8
        assert images.shape[1:] == (224, 224, 3)
        probabilities = np.zeros((len(images), 1000), np.float32)
        for row, image in zip(probabilities, images, strict=True):
            self.seen.append(np.asarray(image, np.uint8))
            reddest = int(np.asarray(image)[..., 0].mean())
            row[reddest : reddest + 21] = np.arange(21, 0, -1) / 231
        return (probabilities,)


Ask = Callable[..., Coroutine[Any, Any, httpx.Response]]


def serve(
    engine: ReddestEngine, talk: Callable[[httpx.AsyncClient], Coroutine[Any, Any, Any]]
) -> Any:
    """Let `talk` speak to the endpoint before `engine`, and give what it gives."""
    state = AppState(Settings(), engine, Metrics(CollectorRegistry()))
    app = create_app(state)

    async def run() -> Any:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as http:
            return await talk(http)

    try:
        return asyncio.run(run())
    finally:
        state.close()


def post(data: bytes, query: str = "", kind: str = "image/png") -> httpx.Response:
    headers = {"content-type": kind}
    response: httpx.Response = serve(
        ReddestEngine(),
        lambda http: http.post(PATH + query, content=data, headers=headers),
    )
    return response


def see(data: bytes) -> npt.NDArray[np.int16]:
    """What of an image file reaches the engine."""
    engine = ReddestEngine()
    headers = {"content-type": "image/jpeg"}
    response = serve(
        engine, lambda http: http.post(PATH, content=data, headers=headers)
    )
    assert response.status_code == 200, response.text
    return engine.seen[0].astype(np.int16)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def halves(
    left: tuple[int, int, int] = RED,
    right: tuple[int, int, int] = BLUE,
    size: tuple[int, int] = (320, 280),
) -> Image.Image:
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def assert_halves(
    pixels: npt.NDArray[np.int16],
    left: tuple[int, int, int] = RED,
    right: tuple[int, int, int] = BLUE,
    within: int = 3,
) -> None:
    """Left and right half, away from the seam, which lossy formats smear."""
    assert np.abs(pixels[:, :100] - np.array(left)).max() <= within
    assert np.abs(pixels[:, 124:] - np.array(right)).max() <= within


def rotated_jpeg() -> bytes:
    """Halves that lie on their side, as a phone held upright stores them."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    return encode(
        halves().transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif
    )


def animation(kind: str, **options: Any) -> bytes:
    later = [halves(GREEN, GREEN)] * 2
    return encode(halves(), kind, save_all=True, append_images=later, **options)


def see_through() -> bytes:
    """The right half is transparent, over a colour that nobody should see."""
    image = halves().convert("RGBA")
    image.paste((0, 255, 0, 0), (160, 0, 320, 280))
    return encode(image, "PNG")


@pytest.mark.parametrize(
    ("data", "right"),
    [
        pytest.param(encode(halves(), "PNG"), BLUE, id="png"),
        pytest.param(encode(halves(), "JPEG", quality=95), BLUE, id="jpeg"),
        pytest.param(encode(halves(), "WEBP", lossless=True), BLUE, id="webp"),
        pytest.param(encode(halves(), "GIF"), BLUE, id="gif"),
        pytest.param(
            encode(halves().convert("CMYK"), "JPEG", quality=95), BLUE, id="cmyk-jpeg"
        ),
        pytest.param(rotated_jpeg(), BLUE, id="exif-rotated"),
        pytest.param(animation("GIF"), BLUE, id="animated-gif"),
        pytest.param(animation("WEBP", lossless=True), BLUE, id="animated-webp"),
        pytest.param(animation("PNG"), BLUE, id="animated-png"),
        pytest.param(see_through(), (255, 255, 255), id="transparent-is-white"),
        pytest.param(
            encode(halves(size=(3000, 2600)), "JPEG", quality=95), BLUE, id="large-jpeg"
        ),
        pytest.param(encode(halves(size=(20, 16)), "PNG"), BLUE, id="tiny"),
    ],
)
def test_every_format_gives_the_same_picture(
    data: bytes, right: tuple[int, int, int]
) -> None:
    assert_halves(see(data), right=right, within=6)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (300, 300), 128),
        Image.fromarray(np.full((300, 300), 128 * 257, np.uint16)),
    ],
    ids=["grey", "16-bit"],
)
def test_grey_is_grey_in_all_three_colours(image: Image.Image) -> None:
    assert np.abs(see(encode(image, "PNG")) - 128).max() <= 1


def test_a_photo_of_40_megapixels_is_read_quickly() -> None:
    data = encode(halves(size=(7304, 5478)), "JPEG")

    began = time.process_time()
    pixels = see(data)

    assert_halves(pixels, within=6)
    assert time.process_time() - began < 3  # about 0.2; decoded in full it takes 1


def test_a_png_of_40_megapixels_is_read() -> None:
    image = halves((0,) * 3, (255,) * 3, size=(7304, 5478)).convert("L")

    pixels = see(encode(image, "PNG", compress_level=1))

    assert_halves(pixels, (0,) * 3, (255,) * 3)


def test_more_pixels_than_allowed_are_refused_before_they_are_decoded() -> None:
    response = post(encode(Image.new("1", (8000, 7000)), "PNG"))

    assert response.status_code == 413
    assert response.json()["code"] == "image_too_large"
    assert "56,000,000" in response.json()["error"]


def test_the_middle_is_what_cropping_the_scaled_photo_gives() -> None:
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (32, 48, 3), np.uint8)
    image = Image.fromarray(tiles.repeat(16, axis=0).repeat(16, axis=1))  # 768×512

    scaled = image.resize((384, 256), Image.Resampling.BICUBIC)
    cropped = np.asarray(scaled.crop((80, 16, 304, 240)), np.int16)

    assert np.abs(prepare_photo(image).astype(np.int16) - cropped).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 40_000), (40_000, 1), (225, 9_000)])
def test_a_picture_of_any_shape_becomes_a_small_square(size: tuple[int, int]) -> None:
    prepared = prepare_photo(Image.new("RGB", size, GREEN))

    assert prepared.dtype == np.uint8
    assert prepared.shape == (224, 224, 3)
    assert (prepared == GREEN).all()


def test_a_fine_pattern_is_averaged_and_not_sampled() -> None:
    stripes = np.zeros((2048, 2048, 3), np.uint8)
    stripes[:, ::2] = 255

    assert np.abs(prepare_photo(Image.fromarray(stripes)).astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    ("query", "count"), [("", 5), ("?top_k=1", 1), ("?top_k=20", 20)]
)
def test_as_many_classes_come_as_were_asked_for(query: str, count: int) -> None:
    response = post(encode(halves(RED, RED), "PNG"), query)

    assert response.status_code == 200
    answer = response.json()
    assert (answer["model"], answer["version"]) == ("photo", 3)
    (prediction,) = answer["predictions"]
    assert [each["label"] for each in prediction["classes"]] == [
        f"class {255 + rank}" for rank in range(count)
    ]
    assert prediction["classes"][0] == {
        "label": "class 255",
        "wnid": "n00000255",
        "probability": round(21 / 231, 6),
    }


def test_where_even_the_best_class_is_improbable_a_warning_says_so() -> None:
    def answer(limits: dict[str, float]) -> Any:
        constants = {"wnids": MANIFEST.constants["wnids"]} | limits
        engine = ReddestEngine(MANIFEST.model_copy(update={"constants": constants}))
        data = encode(halves(RED, RED), "PNG")
        response = serve(
            engine, lambda http: http.post(PATH, content=data, headers=PNG)
        )
        (prediction,) = response.json()["predictions"]
        return prediction

    sure, doubtful = answer({"warn_below": 0.09}), answer({"warn_below": 0.1})
    first_version = answer({})

    assert "warning" not in sure  # its best class has 0.0909
    assert "warning" not in first_version
    assert doubtful["warning"].startswith("No class has a probability of 10% or more")
    assert doubtful["classes"] == sure["classes"]


@pytest.mark.parametrize("value", ["0", "21", "-1", "many", "2.5", ""])
def test_another_number_of_classes_is_refused(value: str) -> None:
    response = post(encode(halves(), "PNG"), f"?top_k={value}")

    assert response.status_code == 422
    assert response.json()["code"] == "invalid_input"
    assert "top_k" in response.json()["error"]


def reds(count: int) -> list[bytes]:
    return [
        encode(Image.new("RGB", (30, 30), (10 * n, 0, 0)), "PNG") for n in range(count)
    ]


def best(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    predictions = response.json()["predictions"]
    return [prediction["classes"][0]["label"] for prediction in predictions]


def test_many_files_are_answered_in_their_order() -> None:
    files = [("file", (f"{n}.png", data)) for n, data in enumerate(reds(9))]

    response = serve(ReddestEngine(), lambda http: http.post(PATH, files=files))

    assert best(response) == [f"class {10 * n}" for n in range(9)]


def test_json_takes_one_or_many_in_base64() -> None:
    one, *_ = many = [base64.b64encode(data).decode() for data in reds(3)]

    async def talk(http: httpx.AsyncClient) -> list[httpx.Response]:
        return [
            await http.post(PATH, json={"image": one}),
            await http.post(PATH, json={"images": many}),
        ]

    alone, together = serve(ReddestEngine(), talk)

    assert best(alone) == ["class 0"]
    assert best(together) == ["class 0", "class 10", "class 20"]


def test_hugging_face_s_door_answers_the_same_classes() -> None:
    (data,) = reds(1)
    response = serve(ReddestEngine(), lambda http: http.post("/hf/photo", content=data))
    assert response.status_code == 200, response.text
    labels = [each["label"] for each in response.json()]
    assert len(labels) == 5
    assert labels[:1] == best(post(data))


def test_the_documented_example_works() -> None:
    response = serve(
        ReddestEngine(), lambda http: http.post(PATH, json={"image": EXAMPLE})
    )

    assert response.status_code == 200


@pytest.mark.parametrize(
    "damaged",
    [b"", b"no image at all", encode(halves(), "JPEG")[:500], b"%PDF-1.7"],
    ids=["empty", "text", "cut-short", "pdf"],
)
def test_what_is_no_image_is_refused(damaged: bytes) -> None:
    response = post(damaged)

    assert response.status_code == 422
    assert response.json()["code"] == "invalid_image"


def test_the_damaged_one_of_many_is_named() -> None:
    files = [("file", data) for data in [*reds(2), b"nothing", *reds(1)]]

    response = serve(ReddestEngine(), lambda http: http.post(PATH, files=files))

    assert response.status_code == 422
    assert response.json()["error"].startswith("Image 2: ")
    assert response.json()["details"][0]["field"] == "images.2"


def test_too_many_photos_are_refused_before_they_are_decoded() -> None:
    response = serve(
        ReddestEngine(), lambda http: http.post(PATH, json={"images": ["AAAA"] * 257})
    )

    assert response.status_code == 413
    assert response.json()["code"] == "too_many_rows"
