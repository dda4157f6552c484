"""Decoding alone beside a read: the same bytes into the same pixels, and whether the codec or the container is slow."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.backends import files
from scripts.codecs import png
from scripts.common.errors import UserError
from scripts.measure import memory
from scripts.measure.operations import catalogue, decoding
from scripts.measure.settings import Settings
from scripts.report import corrections
from scripts.report.corrections import Job, Timed
from scripts.report.records.record import Sample
from scripts.stores.manifest import DATA
from tests.support.timings import COUNT, DISTINCT, choose, place_of, take

FEW = Settings(minimum_samples=6, budget_seconds=0.02, maximum_samples=6, random_images=50, batch_size=16)
PLANTED_SECONDS = 0.005
"""How much longer an image takes where the codec or the container is slow: more than a turn of another process."""
SLOW = replace(FEW, budget_seconds=0.5, random_images=10)
"""With so much time all images that are drawn are decoded alone."""
IN_TURN = ["baseline", "decoding", "backend"]


def slow(function: Callable[..., Any], seconds_of: Callable[..., float]) -> Callable[..., Any]:
    def slowed(*arguments: Any) -> Any:
        time.sleep(seconds_of(*arguments))
        return function(*arguments)

    return slowed


def slow_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "decode", slow(png.decode, lambda value, out: PLANTED_SECONDS))


def slow_container(monkeypatch: pytest.MonkeyPatch) -> None:
    patched = slow(files.Reader._read_some, lambda reader, ids, images: len(ids) * PLANTED_SECONDS)
    monkeypatch.setattr(files.Reader, "_read_some", patched)


def told_apart(record: dict[str, Any]) -> dict[str, float]:
    """What the summary says of decoding and storage, of a machine in its usual state."""
    samples = [Sample(**taken, block=place // len(IN_TURN)) for place, taken in enumerate(record["samples"])]
    own = [sample for sample in samples if sample.subject == "backend"]
    seconds = Job.of(samples).seconds
    return corrections.parts(
        Timed(seconds, seconds), own[0].images, [sample for sample in samples if sample.subject == "decoding"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["random-cold", "batch-warm"])
def test_a_slow_codec_and_a_slow_container_are_each_blamed(
    timed_stores: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    place_of(timed_stores, "png")
    with monkeypatch.context() as planted:
        slow_codec(planted)
        found = told_apart(take(timed_stores, "png", operation, SLOW))
        assert found["decoding_low_seconds_per_image"] >= PLANTED_SECONDS
        assert found["decoding_low_seconds_per_image"] > found["storage_seconds_per_image"]
    with monkeypatch.context() as planted:
        slow_container(planted)
        found = told_apart(take(timed_stores, "png", operation, SLOW))
        assert found["storage_seconds_per_image"] > found["decoding_high_seconds_per_image"]


def test_storage_and_decoding_make_the_whole(timed_stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage, the rest of the whole, is as long as fetching the values takes by itself."""
    place = place_of(timed_stores, "png")
    slow_codec(monkeypatch)
    slow_container(monkeypatch)
    found = told_apart(take(timed_stores, "png", "random-cold", SLOW))
    seconds = []
    with choose("png").backend.open(place / DATA, choose("png").options) as reader:
        for _ in range(6):
            start = time.perf_counter()
            reader.values(np.arange(SLOW.random_images))
            seconds.append((time.perf_counter() - start) / SLOW.random_images)
    low, high = found["storage_low_seconds_per_image"], found["storage_high_seconds_per_image"]
    # The second measurement isn't of the same moment, and has its own noise.
    assert low / 1.5 < np.median(seconds) < 1.5 * high


@pytest.mark.parametrize("operation", ["read-warm", "random-cold"])
def test_decoding_is_timed_in_turn_wherever_a_codec_decodes(timed_stores: Path, operation: str) -> None:
    taken = take(timed_stores, "png", operation, FEW)["samples"]
    assert [sample["subject"] for sample in taken] == IN_TURN * (len(taken) // 3)
    own = [sample for sample in taken if sample["subject"] == "decoding"]
    assert {sample["state"] for sample in own} == {"warm"}
    assert all(sample["state_verified"] and 1 <= sample["images"] <= COUNT for sample in own)


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        *(("lmdb", "read-warm"), ("memmap", "batch-cold"), ("png", "write")),
        *(pytest.param("png", operation, marks=pytest.mark.slow) for operation in ("workers-warm", "first-image-warm")),
    ],
)
def test_nothing_else_is_decoded_alone(timed_stores: Path, name: str, operation: str) -> None:
    subjects = {sample["subject"] for sample in take(timed_stores, name, operation, FEW)["samples"]}
    assert subjects == {"baseline", "backend"}


def test_a_run_decodes_few_images_where_they_take_long(timed_stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run others, until all have had their turn, and one at least."""
    place = place_of(timed_stores, "png")
    images = np.empty((COUNT, 32, 32, 3), np.uint8)
    decoded: list[bytes] = []

    def decode(value: bytes, out: np.ndarray) -> None:
        decoded.append(value)
        png.decode(value, out)

    with choose("png").backend.open(place / DATA, choose("png").options) as reader:
        all_values = reader.values(np.arange(COUNT))
        reader._codec = type("Codec", (), {"decode": staticmethod(decode), "is_identity": False})
        alone = decoding.Decoding(reader, images, seconds=0)
        assert len(decoded) == len(alone.ids) == 1
        decoded.clear()
        for _ in range(COUNT):
            count, run = alone.next_run()
            run()
            assert count == 1
        assert sorted(decoded) == sorted(all_values)
        monkeypatch.setattr(memory, "VALUES_BYTES", 1)
        few = decoding.Decoding(reader, images, seconds=60)
        assert len(few.ids) == few.next_run()[0] == decoding.COLLECTED_AT_ONCE


def test_values_are_those_of_the_images_asked_for(timed_stores: Path) -> None:
    place = place_of(timed_stores, "png")
    ids = np.array([5, 3, 3, COUNT - 1])
    with choose("png").backend.open(place / DATA, choose("png").options) as reader:
        assert reader.values(ids) == [(place / DATA / f"{number:08d}.png").read_bytes() for number in ids]
        assert reader.codec is png
        with pytest.raises(IndexError):
            reader.values([COUNT])
    assert DISTINCT < COUNT


def test_values_that_are_not_the_stores_are_refused(timed_stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place_of(timed_stores, "png")
    honest = files.Reader.values
    monkeypatch.setattr(files.Reader, "values", lambda reader, ids: honest(reader, ids)[::-1])
    with pytest.raises(UserError, match="isn't what was stored"):
        take(timed_stores, "png", "batch-warm", FEW)


def test_the_forecast_of_memory_has_what_each_operation_holds() -> None:
    def held(operation: str) -> int:
        return memory.images_held(catalogue.entry(operation), 100_000, random_images=2000)

    assert held("read-cold") == held("write") == 100_000
    assert held("batch-warm") == 2000
    assert held("workers-warm") >= 20_000
    assert held("first-image-warm") == 1
