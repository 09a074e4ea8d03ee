"""Runs a Caffe net by OpenCV, in a Python that has OpenCV.

Arguments: NET.prototxt NET.caffemodel IN OUT INPUTS OUTPUTS. IN is an .npz of preprocessed inputs
(1,C,H,W); INPUTS names the net's and their channels, as color:3,hha:3; OUT gets for each array the
blobs OUTPUTS, as score_sem,score_geo, behind one another.
"""

import sys

import cv2
import numpy as np

definition, weights, arrays, results, inputs, outputs = sys.argv[1:]
net = cv2.dnn.readNetFromCaffe(definition, weights)
found = {}
for key, array in np.load(arrays).items():
    first = 0
    for text in inputs.split(","):
        name, channels = text.split(":")
        net.setInput(np.ascontiguousarray(array[:, first : first + int(channels)]), name)
        first += int(channels)
    found[key] = np.concatenate([blob[0] for blob in net.forward(outputs.split(","))])
np.savez(results, **found)
print(cv2.__version__)
