"""A trained net for others: its folder with a model card, and the upload to the Hub."""

from fullconv.publishing.hub_folder import model_folder
from fullconv.publishing.hub_upload import push

__all__ = ["model_folder", "push"]
