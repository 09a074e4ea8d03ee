"""OpenCV's dnn on what `fullconv export --size HxW --no-preprocess` writes."""

import cv2
import numpy as np

import worker

MEAN_BGR = np.array([104.00698793, 116.66876762, 122.67891434], np.float32)


def class_map(net, photo):
    """The class of the highest score; prepared as the file's description says."""
    blob = (photo[:, :, ::-1] - MEAN_BGR).transpose(2, 0, 1)[None]  # 1,3,H,W
    net.setInput(np.ascontiguousarray(blob))
    return net.forward()[0].argmax(0)


def main():
    job = worker.job()
    net = cv2.dnn.readNetFromONNX(job["weights"])
    worker.predict(job, lambda photo: class_map(net, photo))


if __name__ == "__main__":
    main()
