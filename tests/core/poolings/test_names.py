import pytest

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.poolings import list_poolings, parse_pooling, pooling_name
from birdnet_cli.core.recipe import PoolingSettings

CANONICAL = {
    "max": PoolingSettings(name="max"),
    "max-variance100": PoolingSettings(name="max", select=100),
    "avg": PoolingSettings(name="avg"),
    "avg-raw": PoolingSettings(name="avg", normalize=False),
    "bilinear": PoolingSettings(name="bilinear"),
    "bilinear-full": PoolingSettings(name="bilinear", packed=False),
    "bilinear-reduce144": PoolingSettings(name="bilinear", reduce=144),
    "bilinear-variance20000": PoolingSettings(name="bilinear", select=20000),
    "bilinear-reduce144-variance5000": PoolingSettings(name="bilinear", reduce=144, select=5000),
    "bilinear-full-reduce8-variance5": PoolingSettings(name="bilinear", packed=False, reduce=8, select=5),
    "compact": PoolingSettings(name="compact"),
    "compact-rm": PoolingSettings(name="compact", sketch="random_maclaurin"),
    "compact-d4096": PoolingSettings(name="compact", sketch_dim=4096),
    "compact-rm-d4096-seed7-reduce144-variance1000": PoolingSettings(
        name="compact", sketch="random_maclaurin", sketch_dim=4096, seed=7, reduce=144, select=1000
    ),
}


@pytest.mark.parametrize(("name", "settings"), CANONICAL.items(), ids=CANONICAL)
def test_a_canonical_name_and_its_settings_are_one(name, settings):
    assert parse_pooling(name) == settings
    assert pooling_name(settings) == name


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("bilinear-variance5-reduce8", "bilinear-reduce8-variance5"),
        ("compact-d8192", "compact"),
        ("compact-seed0-d07-rm", "compact-rm-d7"),
    ],
)
def test_order_defaults_and_leading_zeros_vanish_from_the_canonical_name(text, canonical):
    assert pooling_name(parse_pooling(text)) == canonical


def test_max_pooling_has_one_name_whatever_normalize_says():
    assert pooling_name(PoolingSettings(name="max", normalize=False)) == "max"


def test_every_listed_pooling_parses_to_its_own_name():
    assert list_poolings() == ["max", "avg", "avg-raw", "bilinear", "bilinear-full", "compact", "compact-rm"]
    assert [pooling_name(parse_pooling(name)) for name in list_poolings()] == list_poolings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bilinar", "unknown pooling 'bilinar': did you mean bilinear or bilinear-full?"),
        ("", "unknown pooling '': known: avg, avg-raw, bilinear, bilinear-full, compact, compact-rm, max"),
        ("Max", "unknown pooling 'Max': did you mean max?"),
        ("bilinear-reduc144", "unknown modifier of pooling 'bilinear' 'reduc144': did you mean reduceN?"),
        ("bilinear-", "unknown modifier of pooling 'bilinear' '': known: full, reduceN, varianceN"),
        ("bilinear-raw", "unknown modifier of pooling 'bilinear' 'raw': known: full, reduceN, varianceN"),
        ("avg-reduce8", "unknown modifier of pooling 'avg' 'reduce8': known: raw, varianceN"),
        ("compact-5", "unknown modifier of pooling 'compact' '5': known: dN, reduceN, rm, seedN, varianceN"),
        ("compact-d1234567890", "unknown modifier of pooling 'compact' 'd1234567890'"),
    ],
)
def test_an_unknown_name_is_refused_with_near_matches(text, message):
    with pytest.raises(UnknownNameError) as error:
        parse_pooling(text)

    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bilinear-reduce", "'reduce' needs a whole number of at least 1, such as reduce1; got 'reduce'"),
        ("bilinear-reduce0", "'reduce' needs a whole number of at least 1, such as reduce1; got 'reduce0'"),
        ("compact-seed", "'seed' needs a whole number of at least 0, such as seed1; got 'seed'"),
        ("bilinear-full2", "'full' takes no number, got 'full2'"),
        ("bilinear-reduce8-reduce9", "'reduce' is given twice; give it once"),
    ],
)
def test_a_modifier_out_of_place_is_refused(text, message):
    with pytest.raises(UsageError) as error:
        parse_pooling(text)

    assert str(error.value) == f"pooling '{text}': modifier {message}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (PoolingSettings(name="avg", packed=False), "packed=False is a setting of bilinear, not of 'avg': remove it"),
        (PoolingSettings(name="bilinear", normalize=False), "normalize=False is a setting of avg, not of 'bilinear'"),
        (PoolingSettings(name="max", reduce=8), "reduce=8 is a setting of bilinear, compact, not of 'max'"),
        (PoolingSettings(name="bilinear", seed=1), "seed=1 is a setting of compact, not of 'bilinear'"),
    ],
    ids=str,
)
def test_settings_of_another_pooling_have_no_name(settings, message):
    with pytest.raises(UsageError) as error:
        pooling_name(settings)

    assert str(error.value).startswith(message)
