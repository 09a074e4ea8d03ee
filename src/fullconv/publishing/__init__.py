"""A trained net for others: its folder with a model card, and the upload to the Hub."""

from fullconv.publishing.folder import model_folder
from fullconv.publishing.upload import push

__all__ = ["model_folder", "push"]
