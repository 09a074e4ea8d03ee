"""Runs a Caffe net by OpenCV, in a Python that has OpenCV: NET.prototxt NET.caffemodel IN OUT.

IN is an .npz of preprocessed inputs (1,3,H,W); OUT gets the blob `score` for each.
"""

import sys

import cv2
import numpy as np

definition, weights, inputs, outputs = sys.argv[1:]
net = cv2.dnn.readNetFromCaffe(definition, weights)
found = {}
for name, array in np.load(inputs).items():
    net.setInput(array)
    found[name] = net.forward("score")[0]
np.savez(outputs, **found)
print(cv2.__version__)
