"""This project's own turn: a checkpoint or an exported file, opened as `fullconv predict` does."""

import worker
from fullconv.inference import Predictor


def main():
    job = worker.job()
    predictor = Predictor(job["weights"], "cpu", job["precision"], job["engine"])
    worker.predict(job, lambda photo: predictor(photo).mask)


if __name__ == "__main__":
    main()
