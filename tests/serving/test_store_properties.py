"""The store against a model of it that is a few dictionaries."""

import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lockstep.serving.errors import AliasConflict, BadPaper, UnknownVersion
from lockstep.serving.model_files import paper_path
from lockstep.serving.store import ANY, ModelStore

names = st.sampled_from(["champion", "challenger"])
places = st.one_of(st.none(), st.integers(0, 6))


class StoreMachine(RuleBasedStateMachine):
    """Pushes and moves in any order; the store and the dictionaries agree after each."""

    def __init__(self) -> None:
        """Start with nothing."""
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 1700000000.0
        self.numbers: list[int] = []
        self.weights: dict[bytes, int] = {}
        self.aliases: dict[str, int] = {}
        self.moves = 0

    @initialize(local=st.booleans())
    def start(self, local: bool) -> None:
        """Choose a filesystem."""
        base = self.folder.name if local else f"memory://{uuid4().hex}"
        self.store = ModelStore(f"{base}/taxi", clock=lambda: self.now)

    @rule(weights=st.binary(max_size=1), later=st.integers(-3, 3))
    def push(self, weights: bytes, later: int) -> None:
        """Push a model, new or not, with a clock that may go backwards."""
        self.now += later
        source = Path(self.folder.name) / f"source-{weights.hex()}"
        source.mkdir(exist_ok=True)
        (source / "saved_model.pb").write_bytes(weights)
        pushed = self.store.push(str(source), {"contract.json": {"by": weights.hex()}})
        assert pushed.created == (weights not in self.weights)
        if pushed.created:
            assert pushed.version.number > max(self.numbers, default=0)
            self.numbers.append(pushed.version.number)
            self.weights[weights] = pushed.version.number
        assert pushed.version.number == self.weights[weights]

    @rule(name=names, to=places, expect=st.one_of(st.just("any"), places))
    def move(self, name: str, to: int | None, expect: Any) -> None:
        """Move an alias, rightly or wrongly."""
        if not self.numbers:
            return
        number = self._number(to)
        expected = ANY if expect == "any" else self._number(expect)
        error: type[Exception] | None = None
        if number is not None and number not in self.numbers:
            error = UnknownVersion
        elif expected is not ANY and self.aliases.get(name) != expected:
            error = AliasConflict
        if error:
            with pytest.raises(error):
                self.store.set_alias(name, number, expected=expected)
            return
        self.store.set_alias(name, number, expected=expected)
        self.moves += self.aliases.get(name) != number
        self.aliases = {k: v for k, v in self.aliases.items() if k != name}
        if number is not None:
            self.aliases[name] = number

    def _number(self, index: int | None) -> int | None:
        return index if index is None or index >= len(self.numbers) else self.numbers[index]

    @invariant()
    def agree(self) -> None:
        """Compare everything that can be asked."""
        if not hasattr(self, "store"):
            return
        versions = self.store.versions()
        assert [version.number for version in versions] == self.numbers
        assert self.store.aliases() == self.aliases
        assert sum(map(len, self.store.history().values())) == self.moves
        for version in versions:
            standing = {name for name, at in self.aliases.items() if at == version.number}
            assert set(version.aliases) == standing

    def teardown(self) -> None:
        """Leave no directory behind."""
        self.folder.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)


@given(st.text(alphabet="a./\\\0", max_size=8))
def test_accepted_paper_path_stays_below_and_is_itself(path: str) -> None:
    """A path that is accepted names a file below its directory, and only one path names it."""
    try:
        assert paper_path(path) == path
    except BadPaper:
        return
    parts = path.split("/")
    assert all(part not in {"", ".", ".."} for part in parts)
