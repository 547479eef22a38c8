"""Where tolerance lives, shown at the embedded server's doors (docs/contract.md has a table)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from lockstep.serving.client import Client
from lockstep.serving.contract.file import load
from lockstep.serving.errors import LockstepError

from ...conformance.serving.servers import OWN, start, wait_until_ready
from ...conformance.serving.warm import Warm

if TYPE_CHECKING:
    from tests.serving.contract.conftest import Exported

HERE = Path(__file__).parent
TRIP = load(HERE / "trip.yaml").value
ROW = {"fare": 1.0, "hour": 2.0, "seconds": 60.0, "company": "a", "riders": 1}
WHOLE: dict[str, Any] = {**ROW, "history": [1.0, 2.0], "words": ["x"]}
LEAST = {"fare": 2.0, "hour": 0.0}
COLUMNS = {name: [value] * 3 for name, value in WHOLE.items()}


@pytest.fixture(scope="module")
def doors(
    exported: "Exported", forks: Warm, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """The addresses of the two doors of a server with the model by trip.yaml and a stub."""
    base = tmp_path_factory.mktemp("doors")
    (base / "trip").mkdir()
    (base / "trip/1").symlink_to(exported.directory / "trip")
    config = base / "models.config"
    places = {"trip": base / "trip", "stub": exported.directory / "stub"}
    models = [
        f'config {{ name: "{name}" base_path: "{place}" model_platform: "tensorflow" }}'
        for name, place in places.items()
    ]
    config.write_text(f"model_config_list {{ {' '.join(models)} }}")
    server = start(OWN, [f"--model_config_file={config}"], base / "log", forks)
    try:
        wait_until_ready(server, list(places))
        at = server.address
        yield [f"http://127.0.0.1:{at.rest}", f"grpc://127.0.0.1:{at.grpc}"]
    finally:
        server.stop()


def post(doors: list[str], body: dict[str, Any], model: str = "trip") -> tuple[int, Any]:
    """What plain HTTP gets: code and body."""
    answer = httpx.post(f"{doors[0]}/v1/models/{model}:predict", json=body)
    return answer.status_code, answer.json()


def test_a_client_with_the_contract_tolerates_both_ways(doors: list[str]) -> None:
    """At either door: what is left out has its default, what is not known is not sent."""
    for door in doors:
        with Client(door, "trip", contract=TRIP) as client:
            answers = client.predict_rows(
                [{**WHOLE, "weather": "fine"}, {**LEAST, "hour": 1, "words": ["x"]}]
            )
        assert [(a["p"], a["seen"]) for a in answers] == [(4.0, 21111), (2.0, 11100)]


def test_rows_over_rest_are_exact(doors: list[str]) -> None:
    """Raw features by name, and no base64; one too many or too few is refused."""
    assert post(doors, {"instances": [WHOLE]}) == (
        200,
        {"predictions": [{"p": 4.0, "seen": 21111}]},
    )
    for wrong in (LEAST, {**WHOLE, "weather": "fine"}, {**WHOLE, "company": None}):
        code, answer = post(doors, {"instances": [wrong]})
        assert code == 400, answer


def test_columns_over_rest_may_be_more_but_not_fewer(doors: list[str]) -> None:
    """What the signature does not have is ignored; one value of an optional input is enough."""
    more = {**COLUMNS, "weather": ["fine"], "company": ["b"]}
    code, answer = post(doors, {"inputs": more})
    assert (code, answer) == (200, {"outputs": {"p": [4.0] * 3, "seen": [21111] * 3}})
    fewer = {name: column for name, column in COLUMNS.items() if name != "company"}
    assert post(doors, {"inputs": fewer})[0] == 400


def test_inputs_that_do_not_go_together_are_named(doors: list[str]) -> None:
    """Where TF Serving lets several lengths pass, the model says which input is short."""
    code, answer = post(doors, {"inputs": {**COLUMNS, "fare": [1.0, 2.0]}})
    assert code == 400
    assert "as many values of each input:] [fare] [2] [3]" in answer["error"]


def test_grpc_fills_in_what_the_signature_has_a_default_for(doors: list[str]) -> None:
    """Without a contract, too, optional inputs may be left out; required and unknown ones not."""
    with Client(doors[1], "trip") as client:
        assert [a["seen"] for a in client.predict_rows([LEAST, LEAST, LEAST])] == [1000] * 3
        for wrong in ({"fare": 1.0}, {**LEAST, "weather": "fine"}):
            with pytest.raises(LockstepError):
                client.predict_rows([wrong])


def test_a_stub_is_served_like_any_model(doors: list[str]) -> None:
    """An application sends rows by name to version 0, and gets every promised output."""
    contract = load(HERE / "every_output.yaml").value
    row = {"x": 1.5, "words": ["a"], "night": True}
    code, answer = post(doors, {"instances": [row]}, "stub")
    assert code == 200, answer
    (prediction,) = answer["predictions"]
    assert prediction.keys() == contract.outputs.keys()
    for name, one in contract.outputs.items():
        assert one.unfit(prediction[name]) is None, (name, prediction[name])
