"""The versions that a models.config pins, copied from any store to where TF Serving reads them.

    python -m lockstep.serving.mirror --store s3://models --model taxi \
        --config /etc/tf-serving/models.config --to /models [--once]

It runs beside TF Serving, in its pod: once before the server starts, then as a sidecar, which
brings what arrives late. A version is written aside, held against the digest that the store has
on record, and renamed into place, so that the server never sees half of it.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from .errors import LockstepError, UnknownVersion, one_of
from .model_files import model_files
from .place import Place, open_place
from .push import Parcel
from .rollout.model_config import text_to_config, versions_in
from .store import ModelStore, Version

__all__ = ["Mirror", "main"]


@dataclass(frozen=True)
class Mirror:
    """One model in a store, and the directory of this machine that gets its pinned versions."""

    store: ModelStore
    config: Path
    to: Path

    def pinned(self) -> tuple[int, ...]:
        """The versions that the configuration pins.

        Raises:
            BadModelConfig: it is none.
        """
        return versions_in(
            text_to_config(self.config.read_text(), str(self.config)), self.store.model
        )

    def bring(self) -> tuple[int, ...]:
        """Copy what is pinned and not here yet; the versions that were copied.

        Raises:
            UnknownVersion: of what is pinned nothing is here, nor in the store.
            BadModel: a version is not what the store has on record.
        """
        pinned, place = self.pinned(), open_place(str(self.to / self.store.model))
        here = set(map(int, filter(str.isdecimal, place.directories())))
        missing = [number for number in pinned if number not in here]
        there = {one.number: one for one in self.store.versions()} if missing else {}
        coming = [there[number] for number in missing if number in there]
        if not coming and not here & set(pinned):
            raise UnknownVersion(
                given=f"{self.store.model} {', '.join(map(str, pinned)) or 'without a version'}",
                allowed=one_of(map(str, there), str(max(pinned, default=0))),
                todo=f"push it to {self.store.directory}, or pin another one in {self.config}",
            )
        for version in coming:
            self._copy(version, place)
        return tuple(one.number for one in coming)

    def _copy(self, version: Version, place: Place) -> None:
        """One version: aside, checked, renamed."""
        origin = open_place(version.path, self.store.storage_options)
        aside = f".tmp-mirror-{version.number}"
        place.remove(aside)
        try:
            Parcel(origin, model_files(origin), {}, version.digest).copy(place, aside)
            place.rename(aside, str(version.number))
        finally:
            place.remove(aside)


def main(words: Sequence[str]) -> int:
    """Mirror once, or until SIGTERM; the exit code."""
    options = _options(words)
    mirror = Mirror(ModelStore.open(options.store, options.model), options.config, options.to)
    signal.signal(signal.SIGTERM, _end)  # as process 1 of a container nobody else answers it
    while True:
        began = time.monotonic()
        try:
            for number in mirror.bring():
                took = time.monotonic() - began
                print(f"{options.model} {number} is here, {took:.1f} s", flush=True)  # noqa: T201
        except LockstepError as error:
            if options.once:
                print(f"error: {error}", file=sys.stderr)  # noqa: T201
                return int(error.exit_code)
            _tell(error.given)
        except Exception as error:
            if options.once:
                raise
            _tell(repr(error))  # a network that is away comes back
        if options.once:
            return 0
        time.sleep(options.interval)


def _options(words: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser("python -m lockstep.serving.mirror", allow_abbrev=False)
    parser.add_argument("--store", required=True, help="where the models are: any fsspec address")
    parser.add_argument("--model", required=True, help="its name there and in the configuration")
    parser.add_argument("--config", required=True, type=Path, help="TF Serving's models.config")
    parser.add_argument("--to", required=True, type=Path, help="versions go to TO/MODEL/VERSION")
    parser.add_argument("--once", action="store_true", help="end when they are here")
    parser.add_argument("--interval", type=float, default=30.0, help="seconds between looks")
    return parser.parse_args(words)


def _tell(what: str) -> None:
    print(f"not yet: {what}", file=sys.stderr, flush=True)  # noqa: T201


def _end(*_: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
