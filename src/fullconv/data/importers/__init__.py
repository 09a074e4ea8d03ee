"""What labelling tools write -> the folder data set: one file a format, one way to write it."""

from fullconv.data.importers.formats import FORMATS
from fullconv.data.importers.report import Report
from fullconv.data.importers.request import Request
from fullconv.data.importers.run import import_data

__all__ = ["FORMATS", "Report", "Request", "import_data"]
