"""The trackers behind one small interface. Loaded in the trackers' own process alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from bot.tracking.told import Series, Tracked

PROJECT = "joulery"


class Tracker(Protocol):
    """One arm's curve in somebody's tool. Whatever it raises is told once and stops no run."""

    def log(self, point: Tracked) -> None:
        """Take a point; they come in order."""

    def close(self) -> None:
        """Send what is held back."""


class TensorBoard:
    """Event files under `<folder>/tensorboard/<run>/<arm>`; `tensorboard --logdir` shows them."""

    def __init__(self, series: Series, folder: Path) -> None:
        from tensorboardX import SummaryWriter

        path = folder / "tensorboard" / series.group / series.arm
        self._writer = SummaryWriter(str(path), write_to_disk=True)

    def log(self, point: Tracked) -> None:
        """One event per number."""
        for name, value in point.values.items():
            self._writer.add_scalar(name, value, point.step, point.at.timestamp())

    def close(self) -> None:
        """Write the file."""
        self._writer.close()


class MLflow:
    """A run of the experiment `joulery`, wherever MLFLOW_TRACKING_URI says."""

    def __init__(self, series: Series, folder: Path) -> None:
        import mlflow

        self._client = mlflow.MlflowClient()
        known = self._client.get_experiment_by_name(PROJECT)
        experiment = known.experiment_id if known else self._client.create_experiment(PROJECT)
        mine = self._client.search_runs([experiment], f"tags.joulery = '{series.id}'")
        if mine:
            self._run = mine[0].info.run_id
        else:
            tags = {"joulery": series.id, "arm": series.arm, "group": series.group}
            name = f"{series.group}-{series.arm}"
            self._run = self._client.create_run(experiment, tags=tags, run_name=name).info.run_id
            for key, value in _flat(series.settings).items():
                self._client.log_param(self._run, key, str(value)[:500])

    def log(self, point: Tracked) -> None:
        """All numbers at one step."""
        for name, value in point.values.items():
            at_ms = int(point.at.timestamp() * 1000)
            self._client.log_metric(self._run, name, value, at_ms, point.step)

    def close(self) -> None:
        """Nothing is held back; whether the run goes on is ours to know."""


class WandB:
    """A run of the project `joulery`, by the account or the mode that WANDB_... variables say."""

    def __init__(self, series: Series, folder: Path) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=PROJECT, id=series.id, name=f"{series.group}-{series.arm}", group=series.group,
            config=dict(series.settings), dir=str(folder), resume="allow",
            settings=wandb.Settings(console="off", silent=True, x_disable_stats=True),
        )  # fmt: skip
        self._run.define_metric("*", step_metric="samples")

    def log(self, point: Tracked) -> None:
        """All numbers, against samples."""
        self._run.log({**point.values, "samples": point.step})

    def close(self) -> None:
        """Send what is held back."""
        self._run.finish()


class Trackio:
    """A run of the project `joulery` in Trackio's own local database."""

    def __init__(self, series: Series, folder: Path) -> None:
        import trackio

        self._run = trackio.init(
            project=PROJECT, name=f"{series.id}", group=series.group,
            config=dict(series.settings), resume="allow", embed=False,
        )  # fmt: skip

    def log(self, point: Tracked) -> None:
        """All numbers at one step."""
        self._run.log(dict(point.values), step=point.step)

    def close(self) -> None:
        """Write what is held back."""
        self._run.finish()


TRACKERS: Mapping[str, Callable[[Series, Path], Tracker]] = {
    "tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB, "trackio": Trackio,
}  # fmt: skip


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{above}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return found
