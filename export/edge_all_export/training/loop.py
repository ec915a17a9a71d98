"""The training loop: PyTorch-Ignite's engine with epochs, averaged weights, early stopping, logs and exact resuming."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edge_all.errors import EdgeAllError
from edge_all_export.models.checkpoint import Checkpoint, save_atomically, save_checkpoint
from edge_all_export.training.job import Job, Sampler

_log = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.pt"
RESUME = "resume.pt"


def fit(
    job: Job,
    out: Path,
    architecture: str,
    *,
    resume: bool = True,
    watch: Callable[[int, float], None] = lambda *_: None,
) -> Checkpoint:
    """Train to completion, or resume after the last finished epoch in ``out``; the result is the same either way.

    Writes out/checkpoint.pt (averaged weights) and TensorBoard's log. Uses mixed precision on a GPU, and is data
    parallel when started by torchrun. watch(epoch, mean loss) is called after each epoch. Raises EdgeAllError when the
    loss is not a number, the disk is full, or ``out`` contains another training run.
    """
    import ignite.distributed as idist
    from ignite.engine import Engine, Events
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    recipe = job.recipe
    device = idist.device()
    rank, world = idist.get_rank(), idist.get_world_size()
    network = job.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe["average"]), use_buffers=True)
    groups = job.parameters(network)
    trained = [p for group in groups for p in group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=recipe["rate"], weight_decay=recipe["weight_decay"])
    steps = max(1, recipe["epochs"] * recipe["steps_per_epoch"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [g.get("lr", recipe["rate"]) for g in groups],
        total_steps=steps,
        # Of two steps, a warm-up of half would end at the first one, and the schedule would divide by its length, zero.
        pct_start=0.75 if steps == 2 else min(0.5, max(0.1, 2 / steps)),
    )
    on_gpu = device.type == "cuda"
    scaler = torch.amp.GradScaler(device.type, enabled=on_gpu)
    parallel: nn.Module = idist.auto_model(network) if world > 1 else network
    batch = max(1, recipe["batch"] // world)
    history: list[float] = []
    best: dict[str, Any] = {"score": -float("inf"), "epoch": 0, "weights": None}

    def step(_engine: Engine, arrays: Sequence[Any]) -> float:
        tensors = [torch.from_numpy(a).to(device) for a in arrays]
        job.into_training(network)
        with torch.autocast(device.type, dtype=torch.float16, enabled=on_gpu):
            loss = job.loss(parallel, tensors)
        value = float(loss.detach())
        if value != value:
            raise EdgeAllError("the loss is no longer a number", "lower 'rate' in the recipe")
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(trained, 5.0)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        average.update_parameters(network)
        return value

    engine = Engine(step)
    resumable = out / RESUME
    state: dict[str, Any] | None = None
    if resume and resumable.is_file():
        state = torch.load(resumable, map_location="cpu", weights_only=True)
        if (state["recipe_sha256"], state["data_sha256"], state["world"]) != (recipe.sha256, job.data.sha256, world):
            raise EdgeAllError(
                f"{resumable} belongs to another recipe, other data or another number of processes",
                "choose another --out, or use --fresh to start over",
            )
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        scaler.load_state_dict(state["scaler"])
        history[:], best = state["history"], state["best"]
        _log.info("resuming after epoch %s of %s", state["epoch"], recipe["epochs"])
    first = state["epoch"] if state is not None else 0
    log = _tensorboard(out, first) if rank == 0 else None
    started = time.monotonic()
    total = [0.0]

    @engine.on(Events.ITERATION_COMPLETED)
    def _count(engine: Engine) -> None:
        loss = engine.state.output
        assert isinstance(loss, float)
        total[0] += loss

    @engine.on(Events.EPOCH_COMPLETED)
    def _epoch(engine: Engine) -> None:
        epoch = engine.state.epoch
        loss, total[0] = total[0] / recipe["steps_per_epoch"], 0.0
        watch(epoch, loss)
        words = f"epoch {epoch}/{recipe['epochs']} loss {loss:.3f}"
        value = None
        if job.held_out is not None:
            value = job.held_out.score(average.module.eval())
            history.append(value)
            words += f" held out {value:.4f}"
            if value > best["score"]:
                best.update(score=value, epoch=epoch, weights=_clone(average.module.state_dict()))
        if log is not None:
            log.add_scalar("loss", loss, epoch)
            log.add_scalar("rate", optimizer.param_groups[0]["lr"], epoch)
            if value is not None:
                log.add_scalar("held_out", value, epoch)
            log.flush()
            _log.info("%s %.0f s", words, time.monotonic() - started)
        patience = recipe["patience"]
        if job.held_out is not None and patience and epoch - best["epoch"] >= patience:
            _log.info("stopped: no improvement for %s epochs; keeping epoch %s", patience, best["epoch"])
            engine.terminate()
        if rank == 0:
            save_atomically(
                {
                    "recipe_sha256": recipe.sha256,
                    "data_sha256": job.data.sha256,
                    "world": world,
                    "epoch": epoch,
                    "network": network.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(),
                    "scaler": scaler.state_dict(),
                    "history": history,
                    "best": best,
                },
                resumable,
            )

    stopped = state is not None and recipe["patience"] and first - best["epoch"] >= recipe["patience"] and job.held_out
    if first < recipe["epochs"] and not stopped:
        if state is not None:
            engine.load_state_dict(
                {"epoch": first, "epoch_length": recipe["steps_per_epoch"], "max_epochs": recipe["epochs"]}
            )
        _bar(engine, rank)
        batches = _Batches(job.sampler, recipe, batch, rank, first)
        engine.run(batches, max_epochs=recipe["epochs"], epoch_length=recipe["steps_per_epoch"])
    if log is not None:
        log.close()
    weights = best["weights"] if best["weights"] is not None else _clone(average.module.state_dict())
    result = Checkpoint(
        recipe["task"],
        architecture,
        weights,
        recipe.name,
        dict(recipe.values),
        recipe.sha256,
        job.data.sha256,
        job.data.seen,
        job.data.unseen,
        best["epoch"] or recipe["epochs"],
        tuple(history),
        job.data.leaky,
    )
    if job.held_out is not None and job.held_out.decide is not None:
        network.load_state_dict(weights)
        result.decision = job.held_out.decide(network.eval())
    if rank == 0:
        save_checkpoint(result, out / CHECKPOINT)
    return result


def _clone(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().cpu().clone().contiguous() for k, v in weights.items()}


class _Batches:
    """Batches of an epoch, drawn ahead by a thread.

    Each epoch has its own random seed, so that a training run resumed after epoch n sees the same batches as an
    uninterrupted one.
    """

    def __init__(self, sampler: Sampler, recipe: Any, size: int, rank: int, done: int) -> None:
        self._sampler, self._recipe, self._size, self._rank = sampler, recipe, size, rank
        self._epoch = done

    def __len__(self) -> int:
        return int(self._recipe["steps_per_epoch"])

    def __iter__(self) -> Iterator[Sequence[Any]]:
        epoch, self._epoch = self._epoch, self._epoch + 1
        torch.manual_seed(self._recipe["seed"] * 100003 + epoch * 101 + self._rank)
        self._sampler.begin_epoch(epoch, self._rank)
        drawn: queue.Queue[Any] = queue.Queue(2)
        given_up = threading.Event()

        def put(item: object) -> None:
            while not given_up.is_set():
                try:
                    drawn.put(item, timeout=0.2)
                    return
                except queue.Full:
                    continue

        def draw() -> None:
            try:
                for _ in range(len(self)):
                    if given_up.is_set():
                        return
                    put(self._sampler.batch(self._size))
            except Exception as error:  # raised again by the consumer
                put(error)

        thread = threading.Thread(target=draw, name="batches", daemon=True)
        thread.start()
        try:
            for _ in range(len(self)):
                item = drawn.get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            given_up.set()
            thread.join()


def _tensorboard(out: Path, first: int) -> Any:
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(out / "log"), purge_step=first + 1 if first else None)


def _bar(engine: Any, rank: int) -> None:
    import sys

    if rank != 0 or not sys.stderr.isatty():
        return
    from ignite.handlers import ProgressBar

    ProgressBar(persist=False).attach(engine, output_transform=lambda loss: {"loss": loss})
