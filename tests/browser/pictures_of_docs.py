"""The pictures of the documentation, of today's page in light and in dark: `make pictures` writes them to docs/images.

No part of the suite: a picture is another one each time, by its clock alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from playwright.sync_api import expect

from .conftest import ENVIRONMENT_MILLISECONDS, App, Engine
from .test_inputs import tiff

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WINDOW = {"width": 1180, "height": 760}
NOISE, BACKGROUND, LARGEST_VALUE = 420, 900, 60000
pytestmark = pytest.mark.timeout(900)


def nuclei() -> numpy.ndarray:
    """Return an image of 16 bits as a microscope might take it: bright spots of many sizes, and noise."""
    random = numpy.random.default_rng(7)
    y, x = numpy.mgrid[0:360, 0:480].astype("float32")
    image = numpy.full(x.shape, float(BACKGROUND), "float32")
    for _ in range(48):
        across, down = random.uniform(0, 480), random.uniform(0, 360)
        wide, high = random.uniform(7, 15, 2)
        distance = ((x - across) / wide) ** 2 + ((y - down) / high) ** 2
        image += random.uniform(1500, 7000) * numpy.exp(-(distance**2))
    image += random.normal(0, NOISE, image.shape)
    return numpy.asarray(image.clip(0, LARGEST_VALUE), dtype="uint16")


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    """The page's colours."""
    return str(request.param)


@pytest.fixture
def profile_options(scheme: str) -> dict[str, object]:
    return {"color_scheme": scheme, "reduced_motion": "reduce"}


def keep(page: Any, name: str, scheme: str) -> None:
    page.mouse.move(0, 0)
    page.set_viewport_size(WINDOW)
    page.screenshot(path=IMAGES / f"{name}{'-dark' if scheme == 'dark' else ''}.png", animations="disabled")


def test_an_own_image_filtered(
    open_app: Callable[[Engine], App], engine: Engine, tmp_path: Path, scheme: str
) -> None:
    app = open_app(engine)
    page = app.page
    page.get_by_role("button", name="Gallery").click()
    page.get_by_role("dialog").get_by_role("button", name="Load Filters").click()
    app.card("Filters").get_by_text("Ready", exact=True).wait_for(timeout=ENVIRONMENT_MILLISECONDS)
    (image := tmp_path / "nuclei.tif").write_bytes(tiff(nuclei()))
    app.drop(image)
    expect(page.locator(".entry.input")).to_contain_text("uint16")
    page.locator(".entry.input").get_by_label("Run a plugin on this").select_option("Filters")
    page.get_by_role("dialog").get_by_role("button", name="Run").click()
    result = page.locator(".entry.result figure.picture").last
    result.wait_for()
    keep(page, "app", scheme)


def test_the_gallery(open_app: Callable[[Engine], App], engine: Engine, scheme: str) -> None:
    page = open_app(engine).page
    page.get_by_role("button", name="Gallery").click()
    page.get_by_role("dialog").get_by_role("button", name="Load Filters").wait_for()
    keep(page, "gallery", scheme)
