"""The machine's own measure: the product of two square matrices by torch."""

import time

import torch

import worker


def main():
    job = worker.job()
    dtype, side = getattr(torch, job["dtype"]), job["side"]
    left, right = torch.randn(side, side).to(dtype), torch.randn(side, side).to(dtype)
    seconds = []
    for _ in range(job["repeats"] + 1):
        began = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - began)
    worker.answer(seconds=seconds[1:], gflops=[2e-9 * side**3 / s for s in seconds[1:]])


if __name__ == "__main__":
    main()
