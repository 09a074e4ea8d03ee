"""MLflow: a run in the experiment ``fullconv``, where MLFLOW_TRACKING_URI says."""

import os
import time
from collections.abc import Mapping

import mlflow
import numpy as np
import numpy.typing as npt
from mlflow.entities import Metric, Param

from fullconv.errors import UserError
from fullconv.files.atomic import write_atomically
from fullconv.training.loggers.logger import LoggedRun, RunStatus

EXPERIMENT = "fullconv"
ID_FILE = "mlflow_run.txt"
STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
MOST_PARAMS = 100  # in one request, MLflow's own limit


class MLflowLogger:
    """Params, metrics and pictures of a run. MLFLOW_EXPERIMENT_NAME names another experiment.

    A resumed run continues its MLflow run, whose id lies in the folder (mlflow_run.txt).
    """

    client: mlflow.MlflowClient
    run_id: str

    def start(self, run: LoggedRun) -> None:
        """Find or make the MLflow run; UserError where the server or store does not answer."""
        try:
            self.client = mlflow.MlflowClient()
            id_file = run.folder / ID_FILE
            if run.step and id_file.is_file():
                self.run_id = id_file.read_text("utf-8").strip()
                self.client.update_run(self.run_id, status="RUNNING")
                return
            new = self.client.create_run(self._experiment(), run_name=run.name)
            self.run_id = new.info.run_id
            params = [Param(key, str(value)) for key, value in run.config.items()]
            for first in range(0, len(params), MOST_PARAMS):
                self.client.log_batch(self.run_id, params=params[first : first + MOST_PARAMS])
            write_atomically(id_file, f"{self.run_id}\n")
        except Exception as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"mlflow: {mlflow.get_tracking_uri()}: {reason}", "FC-TRAIN-013"
            ) from error

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            return self.client.create_experiment(name)
        return experiment.experiment_id

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """A metric for each, all in one request."""
        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in values.items()]
        self.client.log_batch(self.run_id, metrics=metrics)

    def images(self, step: int, images: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        """An image by step for each, among the run's artifacts."""
        for name, image in images.items():
            self.client.log_image(self.run_id, image, key=name, step=step)

    def finish(self, status: RunStatus) -> None:
        """Close the MLflow run."""
        self.client.set_terminated(self.run_id, STATUS[status])
