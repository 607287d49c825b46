"""What holds for every settings model."""

import pytest

from birdnet_cli.core.recipe import (
    SECTIONS,
    AugmentSettings,
    Flag,
    MapHeadSettings,
    NetworkSettings,
    PoolingSettings,
    Settings,
    TransformSettings,
)

MODELS = (*SECTIONS.values(), AugmentSettings, MapHeadSettings, NetworkSettings, PoolingSettings, TransformSettings)


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_has_a_sentence_that_documents_it(model: type[Settings]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


@pytest.mark.parametrize("model", MODELS)
def test_an_option_whose_default_is_none_says_in_words_what_it_means(model: type[Settings]) -> None:
    for name, field in model.model_fields.items():
        for flag in field.metadata:
            if isinstance(flag, Flag) and field.default in (None, ()):
                assert flag.default, name
