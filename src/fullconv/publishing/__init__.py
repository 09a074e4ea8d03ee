"""A trained net for others: its folder with a model card, and the upload to the Hub."""

from fullconv.publishing.hub_upload import model_folder, push

__all__ = ["model_folder", "push"]
