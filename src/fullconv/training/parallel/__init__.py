"""Training on several processes: joined by Lightning Fabric, watched, ended together."""
