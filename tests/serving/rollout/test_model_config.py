"""Configurations as text and bytes, and the way from one to another."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lockstep.serving.errors import BadModelConfig
from lockstep.serving.rollout.answers import Expected
from lockstep.serving.rollout.model_config import (
    config_to_text,
    labels_in,
    pinned,
    text_to_config,
    versions_in,
)
from lockstep.serving.rollout.server import plan_rollout, way

VERSIONS = st.sets(st.integers(1, 6), min_size=1, max_size=3)


@st.composite
def configs(draw: Any) -> Any:
    """Some versions of m, labels at some of them, and another model."""
    versions = draw(VERSIONS)
    labels = draw(st.dictionaries(st.sampled_from("abc"), st.sampled_from(sorted(versions))))
    other = pinned(text_to_config("", ""), "other", [9], base_path="/other")
    return pinned(other, "m", versions, labels, base_path="/m")


def test_what_is_sent_is_what_tf_serving_reads() -> None:
    """The installed messages read our bytes and our text, each field where they have it."""
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    protos: Any = model_server_config_pb2
    theirs = protos.ModelServerConfig()
    config = pinned(text_to_config("", ""), "m", [3, 7], {"stable": 3}, base_path="/models/m")
    theirs.ParseFromString(config.SerializeToString())
    (read,) = theirs.model_config_list.config
    assert (read.name, read.base_path, read.model_platform) == ("m", "/models/m", "tensorflow")
    assert list(read.model_version_policy.specific.versions) == [3, 7]
    assert dict(read.version_labels) == {"stable": 3}
    assert text_format.Parse(config_to_text(config), protos.ModelServerConfig()) == theirs
    assert text_to_config(text_format.MessageToString(theirs), "theirs") == config


@pytest.mark.parametrize("text", ["nonsense", "model_config_list { config { logging_config {} } }"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    """Nothing that a configuration says is dropped in silence."""
    with pytest.raises(BadModelConfig, match=r"models\.config"):
        text_to_config(text, "models.config")


@given(now=configs(), then=configs())
def test_a_label_only_moves_to_what_is_loaded(now: Any, then: Any) -> None:
    """No label is ever at a version that the same step loads, or at one that is not there."""
    loaded = set(versions_in(now, "m"))
    for _, config in way("m", now, then):
        assert set(labels_in(config, "m").values()) <= set(versions_in(config, "m"))
        moved = dict(labels_in(config, "m").items() - labels_in(now, "m").items())
        assert set(moved.values()) <= loaded
        loaded = set(versions_in(config, "m"))
        assert versions_in(config, "other") == (9,)
    assert loaded == set(versions_in(then, "m"))


@given(now=configs(), version=st.integers(1, 9))
def test_nobody_is_sent_to_a_version_before_it_has_answered(now: Any, version: int) -> None:
    """A new version is examined under another name; what was served goes in the last step."""
    old = set(versions_in(now, "m"))
    plan = plan_rollout(now, Expected("m", version), base_path="/m")
    changes = [step.change for step in plan.steps if step.change is not None]
    if version not in old:
        assert versions_in(changes[0], "m") == versions_in(now, "m")
        assert versions_in(changes[0], "m.next") == (version,)
        assert plan.steps[0].check.model == "m.next"
    for change in changes[:-1]:
        assert old <= set(versions_in(change, "m"))
    assert versions_in(plan.then, "m") == (version,)
    assert set(labels_in(plan.then, "m").values()) <= {version}
    assert plan.back[0].change == now
