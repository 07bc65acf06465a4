"""What the knee check is shown, and that mirroring exchanges the sides."""

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.training.film_windows import TrainingFilm, TrainingKnee
from kneebundle.training.knee_check_films import draw_check_films, knee_check_records, make_sampler
from kneebundle.training.knee_check_samples import (
    CHECK_SIZE,
    NATIVE_L,
    NATIVE_R,
    NOT_A_KNEE,
    REPLACED,
    KneeCheckSampler,
)


def _film(kind: str, side: str) -> TrainingFilm:
    """Bone is a ramp that is bright on the lateral side, which is the image's left in a right knee."""
    ramp = np.tile(np.linspace(20, 250, 200), (220, 1)).astype(np.uint8)
    pixels = ramp[:, ::-1] if side == "R" else ramp
    return TrainingFilm(np.ascontiguousarray(pixels), (TrainingKnee(side, kind, np.array([[100.0, 110.0]])),))


@pytest.fixture
def sampler() -> KneeCheckSampler:
    natives = [_film("native", "R"), _film("native", "L")]
    return KneeCheckSampler(
        [(natives, 1.0)], [([_film("implant", "R")], 1.0)], [TrainingFilm(np.full((150, 150), 9, np.uint8), ())]
    )


def test_all_classes_are_drawn_with_about_their_shares(sampler: KneeCheckSampler) -> None:
    labels = np.array([sampler.draw(np.random.default_rng(i)).label for i in range(600)])
    assert np.mean(labels < 2) == pytest.approx(0.42, abs=0.06)
    assert np.mean(labels == REPLACED) == pytest.approx(0.22, abs=0.05)
    assert np.mean(labels == NOT_A_KNEE) == pytest.approx(0.36, abs=0.06)
    assert abs(np.mean(labels == NATIVE_R) - np.mean(labels == NATIVE_L)) < 0.08


def test_the_bright_side_is_lateral_also_after_mirroring(sampler: KneeCheckSampler) -> None:
    right = 0
    for i in range(200):
        sample = sampler.draw(np.random.default_rng(i))
        image = sample.image.numpy()
        if sample.label not in (NATIVE_R, NATIVE_L) or image.std() < 0.1:
            continue
        left_brighter = image[:, 20:54].mean() > image[:, 74:108].mean()
        right += 1 if left_brighter == (sample.label == NATIVE_R) else -1
    assert right > 40  # but for the few that are inverted


def test_windows_have_their_size_and_joints_lie_near_the_middle(sampler: KneeCheckSampler) -> None:
    for i in range(50):
        sample = sampler.draw(np.random.default_rng(i))
        assert sample.image.shape == CHECK_SIZE
        if sample.label != NOT_A_KNEE:
            assert np.abs(sample.offset).max() < 0.5


def test_there_have_to_be_knees_and_other_things() -> None:
    with pytest.raises(KneeBundleError, match="radiographs without"):
        make_sampler([_film("native", "R")])


def test_drawn_films_have_every_kind() -> None:
    films = draw_check_films(48, seed=0, split="training")
    kinds = {knee.kind for film in films for knee in film.knees}
    assert kinds == {"native", "implant"} and any(not film.knees for film in films)


def test_validation_windows_are_always_the_same() -> None:
    first, second = (knee_check_records("", "validation", phantom_size=8, seed=3) for _ in range(2))
    assert [r["window"] for r in first] == [r["window"] for r in second] == [(3, 1_000_000), (3, 1_000_001)]


def test_without_a_knee_of_a_kind_none_can_be_drawn() -> None:
    other = TrainingFilm(np.full((150, 150), 9, np.uint8), ())
    sampler = KneeCheckSampler([([], 1.0)], [([_film("implant", "R")], 1.0)], [other])
    with pytest.raises(KneeBundleError, match="no native knees, or no replaced ones, to learn from"):
        [sampler.draw(np.random.default_rng(seed)) for seed in range(20)]


def test_of_a_knee_that_is_roughly_known_the_place_is_not_learnt() -> None:
    other = TrainingFilm(np.full((150, 150), 9, np.uint8), ())
    sampler = KneeCheckSampler([([_film("rough", "R")], 1.0)], [([_film("implant", "L")], 1.0)], [other])
    samples = [sampler.draw(np.random.default_rng(seed)) for seed in range(60)]
    native = [sample for sample in samples if sample.label in (NATIVE_R, NATIVE_L)]
    replaced = [sample for sample in samples if sample.label == REPLACED]
    assert native and all(np.isnan(sample.offset).all() for sample in native)
    assert replaced and all(np.isfinite(sample.offset).all() for sample in replaced)
