"""The package that applications are given: it installs, is typed, and asks as the contract says."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from lockstep.pipelines.cli import contract as cli
from lockstep.serving.contract.client.package import client_package
from lockstep.serving.contract.file import load, loads
from lockstep.serving.contract.model import Output
from lockstep.serving.contract.plausible import plausible
from lockstep.serving.contract.stub.fake import FakeServer
from lockstep.serving.errors import Exit

ROOT: Final = Path(__file__).parents[3]
BIN: Final = Path(sys.executable).parent
TAXI: Final = ROOT / "pipelines/taxi/contract.yaml"
ODD: Final = Path(__file__).with_name("odd.yaml")


def call(*arguments: str | Path) -> Any:
    """Type a command."""
    return CliRunner().invoke(cli.app, [str(word) for word in arguments])


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of both contracts, as the command writes them."""
    directory = tmp_path_factory.mktemp("packages")
    for name, contract in (("taxi", TAXI), ("odd", ODD)):
        said = call("client", contract, "-o", directory / name)
        assert said.exit_code == Exit.OK, said.output
    return directory


@pytest.fixture
def importing(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], ModuleType]:
    """Import a package by its directory and name."""

    def imported(directory: str, package: str) -> ModuleType:
        monkeypatch.syspath_prepend(packages / directory / "src")
        return __import__(package)

    return imported


@pytest.fixture
def taxi(importing: Callable[[str, str], ModuleType]) -> Any:
    """The taxi client's module."""
    return importing("taxi", "taxi_client")


@pytest.fixture
def odd(importing: Callable[[str, str], ModuleType]) -> Any:
    """The odd client's module."""
    return importing("odd", "model_9_lives_v2_client")


@pytest.mark.parametrize("name", ["taxi", "odd"])
def test_its_own_tests_pass(packages: Path, name: str) -> None:
    """The package comes with tests, and they pass as it is."""
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=packages / name, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["taxi", "odd"])
def test_mypy_finds_nothing_in_it(packages: Path, name: str) -> None:
    """The package is strictly typed, whatever the contract's names."""
    words: list[str | Path] = ["--strict", packages / name / "src", packages / name / "tests"]
    done = subprocess.run([BIN / "mypy", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_pyright_finds_nothing_in_it(packages: Path) -> None:
    """Both packages, their tests and their examples are strictly typed."""
    sources = [str(packages / name / "src") for name in ("taxi", "odd")]
    settings: dict[str, Any] = {"extraPaths": sources, "typeCheckingMode": "strict"}
    settings |= dict.fromkeys(("reportMissingModuleSource", "reportMissingTypeStubs"), False)
    (packages / "pyrightconfig.json").write_text(json.dumps(settings))
    words = ["--pythonpath", sys.executable, "-p", str(packages)]
    done = subprocess.run([BIN / "pyright", *words], cwd=packages, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["taxi", "odd"])
def test_it_is_tidy(packages: Path, name: str) -> None:
    """Ruff finds no unused import, nothing undefined, and imports in order."""
    words = ["check", "--isolated", "--select", "F,I,E7,W,B,UP", "--no-cache"]
    done = subprocess.run(
        [BIN / "ruff", *words], cwd=packages / name, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_same_contract_gives_the_same_bytes(packages: Path) -> None:
    """Written again over the old one, nothing changes."""
    before = {file: file.read_bytes() for file in packages.rglob("*.*") if file.is_file()}
    assert call("client", TAXI, "-o", packages / "taxi").exit_code == Exit.OK
    assert {file: file.read_bytes() for file in before} == before
    assert client_package(load(ODD).value) == client_package(load(ODD).value)


def test_nothing_else_is_overwritten(packages: Path, tmp_path: Path) -> None:
    """A directory that holds anything but this model's client is left alone."""
    refused = call("client", ODD, "-o", packages / "taxi")
    assert refused.exit_code == Exit.USAGE
    assert "holds something else" in refused.output
    (tmp_path / "notes.txt").write_text("mine")
    assert call("client", TAXI, "-o", tmp_path).exit_code == Exit.USAGE
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def trip(**changes: Any) -> dict[str, Any]:
    """A trip, with what the contract asks for."""
    usual = {"trip_miles": 1.2, "fare": 7.5, "payment_type": "Cash", "trip_start_month": 7}
    when = {"trip_start_day": 4, "trip_start_hour": 12, "trip_start_timestamp": 1_400_000_000}
    where = {"pickup_community_area": 8, "pickup_latitude": 41.9, "pickup_longitude": -87.6}
    return {**usual, **when, **where, **changes}


@pytest.mark.parametrize(
    "change",
    [
        {"trip_miles": -1.0},
        {"trip_miles": "1.2"},
        {"trip_miles": None},
        {"fare": math.nan},
        {"fare": math.inf},
        {"payment_type": "Cheque"},
        {"trip_start_hour": 24},
        {"trip_start_hour": 1.5},
        {"trip_start_hour": True},
        {"pickup_census_tract": "17 031"},
        {"pickup_census_tract": "17031\n"},
    ],
)
def test_what_the_contract_refuses_is_not_sent(taxi: Any, change: dict[str, Any]) -> None:
    """A wrong type, a value outside the range, the vocabulary or the pattern is an error here."""
    with pytest.raises(ValidationError, match=next(iter(change))):
        taxi.Instance(**trip(**change))


def test_missing_numbers_are_nan_on_the_wire(taxi: Any) -> None:
    """Left out, None and NaN are the same: a missing number; text gets its default."""
    with FakeServer(load(TAXI).value) as server, taxi.TaxiClient(server.address) as client:
        client.predict(
            [
                taxi.Instance(**trip(**more))
                for more in ({}, {"trip_seconds": None}, {"trip_seconds": math.nan})
            ]
        )
        sent = server.instances
    assert all(math.isnan(one["trip_seconds"]) for one in sent)
    assert {one["company"] for one in sent} == {""}


def test_numpy_and_strangers_are_taken(taxi: Any) -> None:
    """NumPy's numbers are numbers, whole numbers do for floats, unknown fields are dropped."""
    made = taxi.Instance(
        **trip(trip_miles=np.float32(1.5), trip_start_hour=np.int64(3), fare=7, weather="rain")
    )
    instance = made.as_instance()
    assert (instance["trip_miles"], instance["trip_start_hour"]) == (1.5, 3)
    assert "weather" not in instance


def test_odd_names_go_out_as_the_contract_spells_them(odd: Any) -> None:
    """Keywords, dashes, underscores, names of types: the wire has the contract's names."""
    given = {
        "class": "猫",
        "trip_km_": 1.0,
        "id_": 7,
        "int": 2,
        "copy": ["Xab1"],
        "png_bytes": b"\x00\xff",
        "None": [1.0, 2.0],
        "self": 'a"\\',
        "list": np.array([[1, math.nan], [2, 3]]),
    }
    with FakeServer(load(ODD).value) as server, odd.Model9LivesV2Client(server.address) as client:
        answer = client.predict_one(odd.Instance.model_validate(given))
        (sent,) = server.instances
    assert sent.keys() == load(ODD).value.inputs.keys()
    assert (sent["trip-km"], sent["png_bytes"]) == (1.0, {"b64": "AP8="})
    assert math.isnan(sent["list"][0][1])
    assert (answer.img_bytes, answer.labels, answer.json_) == (b"", [""] * 3, [[1, 1]])


def test_the_words_of_the_contract_are_the_documentation(packages: Path, odd: Any) -> None:
    """Meaning, unit, domain and sunset stand beside each field, as they were written."""
    source = (packages / "odd/src/model_9_lives_v2_client/data.py").read_text()
    assert "use class" in source
    assert odd.Prediction.__doc__ == load(ODD).value.description
    readme = (packages / "taxi/README.md").read_text()
    assert "Length of the trip by the taximeter" in readme
    assert "99 % of the requests are answered within 250 ms, with 4 under way at once." in readme


def test_importing_it_is_light(packages: Path) -> None:
    """No TensorFlow, no kfp, no command line; gRPC and HTTP come when they are needed."""
    code = "import sys, taxi_client; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(packages / "taxi/src")},
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"tensorflow", "tfx", "kfp", "kubernetes", "typer", "grpc", "httpx", "yaml", "jinja2"}
    assert not heavy & set(done.stdout.splitlines())


def test_an_unknown_example_skips_the_tests_with_a_reason() -> None:
    """Where no text is found that a pattern matches, the package's tests ask for one."""
    text = ODD.read_text().replace("(?i)x[a-c]{2}", r"(?=x)(?!xa)\w\Bb")
    made = client_package(loads(text.encode(), "odd").value)
    assert b"is known: add one to GIVEN" in made["tests/test_client.py"]


@pytest.mark.parametrize(
    ("domain", "dtype", "value"),
    [
        ({"min": 0, "max": 1}, "float32", 0.5),
        ({"min": 3}, "int64", 3),
        ({"max": -2}, "int64", -2),
        ({"min": 1, "max": 12}, "int64", 7),
        ({"values": [3, 1]}, "float32", 3.0),
        ({"values": ["b", "a"], "open": True}, "string", "b"),
        (None, "uint8", 1),
    ],
)
def test_a_plausible_value_is_allowed(domain: Any, dtype: Any, value: Any) -> None:
    """The middle of a range, the first word of a vocabulary."""
    output = Output.model_validate({"dtype": dtype, "domain": domain}, strict=False)
    assert plausible(output) == value
    assert output.unfit(plausible(output)) is None
