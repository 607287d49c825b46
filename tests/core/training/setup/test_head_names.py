import pytest

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.recipe import MapHeadSettings, PoolingSettings
from birdnet_cli.core.training.setup.head_names import describe_head
from tests.core.training.quick import SMALL_NETWORK, quick_settings


def test_linear_is_the_plain_mean_of_the_feature_map() -> None:
    assert describe_head(quick_settings(head="linear")) == PoolingSettings(name="avg", normalize=False)


def test_a_pooling_is_named_as_in_an_extraction() -> None:
    found = describe_head(quick_settings(head="bilinear-reduce64"))
    assert isinstance(found, PoolingSettings)
    assert (found.name, found.reduce) == ("bilinear", 64)


def test_a_head_on_the_feature_map_takes_its_settings_and_20_factors_by_default() -> None:
    found = describe_head(quick_settings(head="fb", drop_factor=0.25, drop_mask="sample", diagonal=True))
    assert isinstance(found, MapHeadSettings)
    assert (found.factors, found.drop_prob, found.mask, found.diagonal) == (20, 0.25, "sample", True)
    given = describe_head(quick_settings(head="fb", factors=3))
    assert isinstance(given, MapHeadSettings)
    assert given.factors == 3


@pytest.mark.parametrize(("changes", "norm"), [({}, True), (SMALL_NETWORK, False)], ids=["backbone", "network"])
def test_a_backbone_s_map_is_normalized_before_the_head_and_a_network_s_is_already(
    changes: dict[str, object], norm: bool
) -> None:
    found = describe_head(quick_settings(**changes | {"head": "tanh"}))
    assert isinstance(found, MapHeadSettings)
    assert found.norm is norm


def test_a_network_takes_no_pooling() -> None:
    with pytest.raises(UsageError, match="resnet164 has the heads fb, fc, tanh, not 'bilinear'; poolings are for"):
        describe_head(quick_settings(**SMALL_NETWORK | {"head": "bilinear"}))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown head 'liner': did you mean linear"):
        describe_head(quick_settings(head="liner"))
