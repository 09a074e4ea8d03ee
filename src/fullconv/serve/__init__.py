"""The HTTP service and its page: ``fullconv serve``."""

from fullconv.serve.app import build_app
from fullconv.serve.served_models import Model, Models, open_models
from fullconv.serve.server import address, bound, run
from fullconv.serve.service import Service
from fullconv.serve.settings import Settings, hosts_for, is_loopback

__all__ = [
    "Model",
    "Models",
    "Service",
    "Settings",
    "address",
    "bound",
    "build_app",
    "hosts_for",
    "is_loopback",
    "open_models",
    "run",
]
