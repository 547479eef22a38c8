"""Where the paths of a pipeline lead on the machine that runs a step."""

from contextlib import suppress
from pathlib import Path

import kfp
import pytest
from hypothesis import given, strategies as st

from lockstep.components.errors import BadArgument
from lockstep.components.paths import resolve


def test_a_relative_path_starts_at_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project's root is the directory that the step runs in; absolute paths stay."""
    monkeypatch.chdir(tmp_path)
    assert resolve("data/taxi") == str(tmp_path / "data" / "taxi")
    assert resolve("/data/taxi") == "/data/taxi"


@pytest.mark.parametrize("url", ["gs://bucket/data", "memory://models/taxi"])
def test_a_url_stays(url: str) -> None:
    """What lies behind a URL is not this machine's."""
    assert resolve(url) == url


def test_a_package_is_where_it_is_installed() -> None:
    """`package:` leads into an installed package, with or without a path inside."""
    root = Path(kfp.__file__).parent
    assert resolve("package:kfp/dsl/base_component.py") == str(root / "dsl" / "base_component.py")
    assert Path(resolve("package:kfp")) == root


@pytest.mark.parametrize("package", ["no_such_package", "", "kfp.dsl", "..", "json.decoder"])
def test_an_unknown_package_is_refused(package: str) -> None:
    """A package that is not installed is named, and nothing outside packages is reached."""
    with pytest.raises(BadArgument, match="is installed here"):
        resolve(f"package:{package}/x")


@given(st.text())
def test_every_text_is_a_place_or_refused(text: str) -> None:
    """No name makes the look-up itself fail."""
    with suppress(BadArgument):
        assert resolve(f"package:{text}")
