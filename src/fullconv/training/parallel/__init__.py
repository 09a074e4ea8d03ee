"""Training on several processes: started, joined by Lightning Fabric, watched, and ended together."""
