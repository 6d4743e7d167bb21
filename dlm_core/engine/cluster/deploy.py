"""`python -m dlm_core.serve --replicas 2`: an engine on a Ray cluster, for pages started with UNMASK_ENGINE.

Without --address it starts a cluster on this machine alone and serves until interrupted.  With one it deploys on that
cluster and returns.
"""

import argparse
import os
import re
import sys
import threading
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlm_core.engine.limits import Limits, number
from dlm_core.engine.listen import PORTS, refuse_taken
from dlm_core.unicode import utf8_output

if TYPE_CHECKING:
    from ray.serve import Application

ROOT = Path(__file__).parents[3]
NAME = "unmask"
STORE = 128 * 2**20  # bytes of memory for objects on the way; an answer's lines are small
CROWDED = 5  # seconds that runs wait before one more replica starts for them
RETRY = 0.1  # seconds at most between two looks for a replica that is free


def parser() -> argparse.ArgumentParser:
    """Return the parser of a deployment's options."""
    options = argparse.ArgumentParser(
        prog="python -m dlm_core.serve", description="Serve a model to pages started with UNMASK_ENGINE.",
        epilog="The limits UNMASK_MAX_... of the page hold here as well, and are read when this starts.",
    )  # fmt: skip
    options.add_argument("--model", default="bundled", help='"bundled", a folder, or owner/name on the hub')
    options.add_argument("--revision", help="branch, tag or commit, for a model on the hub")
    options.add_argument(
        "--replicas", type=replicas, default=(1, 1), metavar="N or MIN:MAX",
        help="models that work at the same time, one run each; with two numbers as many as are needed (default: 1)",
    )  # fmt: skip
    options.add_argument("--device", default="auto", help='of each replica: "auto", "cpu", "cuda" or "mps"')
    options.add_argument("--cpus", type=share, default=1, help="processors for each replica (default: 1)")
    options.add_argument("--gpus", type=share, default=0, help="GPUs for each replica, which can be a part of one")
    options.add_argument(
        "--compile", action="store_true", help="compile the network while a replica starts; as it is where that fails"
    )
    options.add_argument("--address", help='a running cluster, "auto" on one of its machines (default: start one here)')
    options.add_argument("--host", default="127.0.0.1", help="where pages find it (default: 127.0.0.1)")
    options.add_argument("--port", type=port, default=8000, help="default: 8000")
    return options


def replicas(text: str) -> tuple[int, int]:
    """Parse N or MIN:MAX, from 1 to 1000."""
    least, _, most = text.partition(":")
    try:
        lo, hi = int(least), int(most or least)
    except ValueError:
        lo = hi = 0
    if not 1 <= lo <= hi <= 1000:
        raise argparse.ArgumentTypeError(f"expected N or MIN:MAX with 1 <= MIN <= MAX <= 1000, got {text!r}")
    return lo, hi


def port(text: str) -> int:
    """Parse a port from 1 to 65535."""
    try:
        return number("the port", text, 0, PORTS)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def share(text: str) -> float:
    """Parse how much of a machine a replica takes: a whole number, or less than 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < inf or (value > 1 and not value.is_integer()):
        raise argparse.ArgumentTypeError(f"expected a whole number, or a part of one such as 0.5, got {text!r}")
    return int(value) if value.is_integer() else value


def application(args: argparse.Namespace, limits: Limits) -> "Application":
    """Return the ingress and its replicas as a Ray Serve application."""
    from ray.serve.config import AutoscalingConfig, RequestRouterConfig

    from dlm_core.engine.cluster.deployments import Ingress, Replica

    replicas: Any = Replica  # a deployment, which is not what ray's types say of a class that is decorated
    ingresses: Any = Ingress
    least, most = args.replicas
    # a run may take as long as the limit says: so long, and a little more, does a machine that is replaced wait for it
    patience = {"graceful_shutdown_timeout_s": limits.seconds + 30, "graceful_shutdown_wait_loop_s": 0.5}
    number: dict[str, Any] = {"num_replicas": least}
    if least < most:
        number = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=least, max_replicas=most, target_ongoing_requests=1,
                upscale_delay_s=CROWDED, look_back_period_s=CROWDED,
            )
        }  # fmt: skip
    replica = replicas.options(
        **number, **patience, max_ongoing_requests=1,
        ray_actor_options={"num_cpus": args.cpus, "num_gpus": args.gpus},
        request_router_config=RequestRouterConfig(max_backoff_s=RETRY),
    ).bind(args.model, args.revision, args.device, args.compile, limits)  # fmt: skip
    # requests wait at the ingress, and more may come than the queue takes in
    ingress = ingresses.options(
        **patience, max_ongoing_requests=10 * limits.queue, ray_actor_options={"num_cpus": 0}
    )  # fmt: skip
    return ingress.bind(replica, args.model, args.revision, limits)


def deploy(args: argparse.Namespace, limits: Limits) -> None:
    """Deploy the engine on its cluster; a ValueError says in one sentence why that failed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if (
        not args.address
    ):  # what Ray does on other systems for a cluster of one machine: 127.0.0.1, and nobody listens outside
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    try:
        import ray
        from ray import serve
    except ImportError as error:
        raise ValueError("this needs Ray Serve: pip install -r requirements-serve.txt") from error
    allowed = {name: os.environ[name] for name in ("UNMASK_REMOTE_CODE",) if name in os.environ}
    if args.address:
        left_out = [".git", ".venv", "tests", "assets/runs", "checkpoints"]
        code = {"working_dir": str(ROOT), "excludes": left_out, "env_vars": allowed}
        try:
            ray.init(args.address, runtime_env=code, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ValueError(f"the cluster {args.address!r} cannot be joined: {str(error).splitlines()[0]}") from error
    else:
        refuse_taken(args.host, args.port, "--host and --port")
        ray.init(
            "local", runtime_env={"env_vars": allowed | {"PYTHONPATH": str(ROOT)}}, log_to_driver=False,
            include_dashboard=False, object_store_memory=STORE,
        )  # fmt: skip
    least, there = args.replicas[0], ray.cluster_resources()
    for wanted, kind in ((args.cpus, "CPU"), (args.gpus, "GPU")):
        if least * wanted > there.get(kind, 0):
            raise ValueError(
                f"{least} replicas with {wanted} {kind} each need {least * wanted}, and the cluster has "
                f"{there.get(kind, 0):g}: ask for fewer"
            )
    serve.start(http_options={"host": args.host, "port": args.port})
    try:
        serve.run(application(args, limits), name=NAME, route_prefix="/")
    except RuntimeError as error:
        messages = [each.message for each in serve.status().applications[NAME].deployments.values()]
        reason = re.search(r"ModelError: (.+)", "\n".join(messages)) or [None, str(error).splitlines()[0]]
        raise ValueError(reason[1]) from error


def main(argv: list[str] | None = None) -> int:
    """Deploy, and serve if the cluster is this process's own; return the exit code."""
    utf8_output()
    args = parser().parse_args(argv)
    try:
        deploy(args, Limits.of(os.environ))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"serving {args.model}: start pages with UNMASK_ENGINE=http://{args.host}:{args.port}", flush=True)
    if not args.address:
        threading.Event().wait()
    return 0
