"""What labelling tools write -> the folder data set: one file a format, one way to write it."""

from fullconv.data.importers.import_dataset import import_data
from fullconv.data.importers.import_report import Report
from fullconv.data.importers.import_request import Request
from fullconv.data.importers.registry import Importer, importers, recognise

__all__ = ["Importer", "Report", "Request", "import_data", "importers", "recognise"]
