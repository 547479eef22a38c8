"""A server for tests that answers as a contract says: TF Serving's REST, without a model.

```python
with FakeServer(contract) as server, Client(server.address, contract.model) as client:
    client.predict_rows([...])
```
"""

import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final

from ..model import Contract
from ..plausible import plausible

__all__ = ["FakeServer"]

_VERSION: Final = "1"


class FakeServer:
    """TF Serving's predict, status and metadata over HTTP on a free port of this machine.

    Each output is answered with one plausible value, whatever the inputs. Instances that do not
    have exactly the contract's inputs are refused as TF Serving refuses them; those that it took
    are kept in `instances`.
    """

    def __init__(self, contract: Contract) -> None:
        """Take a free port; `with` begins to answer."""
        self.contract = contract
        self.instances: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        """What a client is given."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeServer":
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def get(self, path: str) -> tuple[int, Any]:
        """The code and the answer of a GET: status or metadata."""
        model = f"/v1/models/{self.contract.model}"
        if not path.startswith(model):
            return 404, _error(f"Could not find any versions of model {path.split('/')[-1]}")
        if path.endswith("/metadata"):
            spec = {"name": self.contract.model, "signature_name": "", "version": _VERSION}
            signatures = {self.contract.signature: _signature(self.contract)}
            return 200, {
                "model_spec": spec,
                "metadata": {"signature_def": {"signature_def": signatures}},
            }
        status = {"error_code": "OK", "error_message": ""}
        state = {"version": _VERSION, "state": "AVAILABLE", "status": status}
        return 200, {"model_version_status": [state]}

    def post(self, path: str, body: bytes) -> tuple[int, Any]:
        """The code and the answer of a POST: predict."""
        model = f"/v1/models/{self.contract.model}"
        if not (path.startswith(model) and path.endswith(":predict")):
            return 404, _error(f"Servable not found for request: {path}")
        try:
            request = json.loads(body)
        except ValueError:
            return 400, _error("JSON Parse error: Invalid value. at offset: 0")
        if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
            return 400, _error("JSON Value: Missing 'inputs' or 'instances' key")
        if "inputs" in request:
            return self._columns(request["inputs"])
        return self._rows(request["instances"])

    def _rows(self, rows: Any) -> tuple[int, Any]:
        if not isinstance(rows, list) or not rows:
            return 400, _error("JSON Value: No values in 'instances' array")
        if len(self.contract.inputs) == 1:  # then bare values will do
            (only,) = self.contract.inputs
            rows = [row if isinstance(row, dict) else {only: row} for row in rows]
        for number, row in enumerate(rows):
            if not isinstance(row, dict) or row.keys() != self.contract.inputs.keys():
                there = ",".join(sorted(self.contract.inputs))
                what = f"Failed to process element: {number} of 'instances' list."
                return 400, _error(f"{what} JSON object: keys must be equal to: {there}")
        self.instances += rows
        return 200, {"predictions": [self._answer() for _ in rows]}

    def _columns(self, columns: Any) -> tuple[int, Any]:
        for name in self.contract.inputs:
            if not isinstance(columns, dict) or name not in columns:
                return 400, _error(f"Missing named input: {name} in 'inputs' object.")
        count = len(next(iter(columns.values())))
        self.instances += [{name: columns[name][i] for name in columns} for i in range(count)]
        answer = self._answer()
        if len(self.contract.outputs) == 1:
            return 200, {"outputs": [answer] * count}
        return 200, {"outputs": {name: [value] * count for name, value in answer.items()}}

    def _answer(self) -> Any:
        """One prediction; TF Serving leaves the name of an only output out."""
        values = {
            name: _encoded(name, plausible(one)) for name, one in self.contract.outputs.items()
        }
        return next(iter(values.values())) if len(values) == 1 else values


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Hands requests to the fake server."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer a GET."""
            self._reply(*server.get(self.path))

        def do_POST(self) -> None:
            """Answer a POST."""
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._reply(*server.post(self.path, body))

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing."""

        def _reply(self, code: int, answer: Any) -> None:
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _encoded(name: str, value: Any) -> Any:
    """Bytes are in base64, which TF Serving tells by the ending of the name; none are here."""
    if isinstance(value, list):
        return [_encoded(name, item) for item in value]
    return {"b64": ""} if name.endswith("_bytes") else "" if value is None else value


def _error(text: str) -> dict[str, str]:
    return {"error": text}


def _signature(contract: Contract) -> dict[str, Any]:
    return {
        "inputs": _infos(contract.inputs.items()),
        "outputs": _infos(contract.outputs.items()),
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }


def _infos(tensors: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    names = {"float32": "DT_FLOAT", "float64": "DT_DOUBLE"}
    return {
        name: {
            "dtype": names.get(one.dtype, f"DT_{one.dtype.upper()}"),
            "tensor_shape": {
                "dim": [{"size": str(size), "name": ""} for size in (-1, *one.shape)],
                "unknown_rank": False,
            },
            "name": f"{name}:0",
        }
        for name, one in tensors
    }
