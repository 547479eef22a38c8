"""From flags to a listening server, and from SIGTERM to its end."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from .config import ModelConfig, one_model, read_models
from .flags import Flags, parse_flags, usage
from .lanes import Runner
from .loader import LoadOptions
from .memory import keep_large_apart
from .metrics import Metrics
from .models import Models, Options
from .plane import Door, Meter
from .rest import open_rest
from .status import Code, StatusError
from .text_protos import BatchingParameters, read_batching_parameters

__all__ = ["FAILED", "main", "run"]

log: Final = logging.getLogger(__name__)

FAILED: Final = 255
"""How `tensorflow_model_server` ends when it cannot start."""


def main(arguments: Sequence[str]) -> int:
    """Serve as the command line says, until a signal; give the exit code."""
    logging.basicConfig(format="%(asctime)s %(levelname).1s %(name)s] %(message)s", level="INFO")
    try:
        flags, unknown = parse_flags(arguments)
    except argparse.ArgumentError as error:
        print(f"{error}\n{usage()}", file=sys.stderr)  # noqa: T201 - for who called it wrongly
        return FAILED
    if {"--help", "-h"} & set(unknown):
        print(usage())  # noqa: T201 - what was asked for
        return 0
    if flags.version:
        print(_versions())  # noqa: T201 - what was asked for
        return 0
    if unknown:  # as tensorflow_model_server: say so, and go on
        print(f"unknown argument: {unknown[0]}\n{usage()}", file=sys.stderr)  # noqa: T201
    if not flags.model_base_path and not flags.model_config_file:
        print(usage(), file=sys.stderr)  # noqa: T201 - as tensorflow_model_server
        return FAILED
    return run(flags)


def run(flags: Flags) -> int:
    """Serve until SIGTERM or SIGINT; give the exit code."""
    keep_large_apart()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN, where the processor makes TensorFlow use it, keeps the memory of its largest request.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(flags))
    except (StatusError, OSError) as error:
        message = f"Failed to start server. Error: {error}"
        print(message, file=sys.stderr, flush=True)  # noqa: T201 - as tensorflow_model_server
        return FAILED
    return 0


async def _serve(flags: Flags) -> None:
    """Load, open the doors, wait for a signal, drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    meter = Metrics()
    configs = await asyncio.to_thread(_prepare, flags)
    models = Models(_runner(flags, meter), _options(flags))
    work = [asyncio.ensure_future(models.poll())]
    starting = asyncio.ensure_future(models.serve(configs))
    if not await _unless(stop, starting):
        doors = await _open(models, flags, meter)
        work.append(asyncio.ensure_future(_poll_config(models, flags)))
        await stop.wait()
        log.info("draining")
        models.drain()
        await asyncio.gather(*(door.close(flags.drain_seconds) for door in doors))
    for task in (*work, starting):
        task.cancel()
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(models.close(), flags.drain_seconds)
    log.info("done")
    _leave()


def _leave() -> None:
    """End without waiting for a call that never ends."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _unless(stop: asyncio.Event, starting: "asyncio.Future[None]") -> bool:
    """Wait for the start, or for the signal that makes it needless."""
    waiting = asyncio.ensure_future(stop.wait())
    both: set[asyncio.Future[Any]] = {starting, waiting}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if starting.done():
        starting.result()
    return stop.is_set()


def _prepare(flags: Flags) -> dict[str, ModelConfig]:
    """Read what is to be served, and import what is slow to import."""
    configs = _configs(flags)
    with warnings.catch_warnings(action="ignore"):
        import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    gc.collect()
    gc.freeze()  # what TensorFlow has imported stays; looking it through takes a tenth of a second
    return configs


def _configs(flags: Flags) -> dict[str, ModelConfig]:
    if flags.batching_parameters_file and not flags.enable_batching:
        message = (
            "server_options.batching_parameters_file is set without setting "
            "server_options.enable_batching to true."
        )
        raise StatusError(Code.INVALID_ARGUMENT, message)
    if flags.model_config_file:
        return read_models(flags.model_config_file)
    return one_model(flags.model_name, flags.model_base_path)


def _runner(flags: Flags, meter: Meter) -> Runner:
    batching = None
    if flags.enable_batching:
        path = flags.batching_parameters_file
        batching = read_batching_parameters(path) if path else BatchingParameters()
    threads = (batching.num_batch_threads if batching else 0) or flags.grpc_max_threads
    return Runner(
        asyncio.get_running_loop(),
        ThreadPoolExecutor(max(threads, 1), "model"),
        meter,
        batching,
        join=flags.join_requests,
        check_methods=flags.enable_signature_method_name_check,
        patience=flags.rest_api_timeout_in_ms / 1000,
    )


def _options(flags: Flags) -> Options:
    session = flags.tensorflow_session_parallelism
    return Options(
        load=LoadOptions(
            tuple(flags.saved_model_tags.split(",")),
            flags.tensorflow_inter_op_parallelism or session,
            flags.tensorflow_intra_op_parallelism or session,
        ),
        poll_seconds=flags.file_system_poll_wait_seconds,
        load_threads=flags.num_load_threads,
        retries=flags.max_num_load_retries,
        retry_seconds=flags.load_retry_interval_micros / 1e6,
        labels_in_advance=flags.allow_version_labels_for_unavailable_models,
        own_batching=flags.enable_per_model_batching_parameters,
        warm_up=flags.enable_model_warmup,
        warm_up_iterations=flags.num_request_iterations_for_warmup,
    )


async def _open(models: Models, flags: Flags, metrics: Metrics) -> list[Door]:
    """Open the doors that the flags ask for."""
    doors: list[Door] = []
    if flags.port or flags.grpc_socket_path:
        from .grpc_door import open_grpc

        doors.append(await open_grpc(models, flags, metrics))
        log.info("Running gRPC ModelServer at %s:%d ...", flags.host, flags.port)
    if flags.rest_api_port and flags.rest_api_port == flags.port:
        log.error("--rest_api_port is --port: REST is not served")
    elif flags.rest_api_port:
        doors.append(await open_rest(models, flags, metrics))
        log.info("Exporting HTTP/REST API at:%s:%d ...", flags.host, flags.rest_api_port)
    return doors


async def _poll_config(models: Models, flags: Flags) -> None:
    """Look at the file of models again and again; what is wrong with it is logged, and no more."""
    known: Mapping[str, ModelConfig] | None = None
    while flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
        await asyncio.sleep(flags.model_config_file_poll_wait_seconds)
        try:
            configs = await asyncio.to_thread(read_models, flags.model_config_file)
            if configs != known:
                await models.serve(configs, "model")
                known = configs
        except StatusError as error:
            log.error("%s: %s", Path(flags.model_config_file).name, error)


def _versions() -> str:
    from importlib.metadata import version

    return f"lockstep {version('lockstep')}\nTensorFlow {version('tensorflow')}"
