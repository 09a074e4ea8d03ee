"""The backbones, one file a family, and any of timm's."""
