"""Facts about a net without training it: layers, cost, graph, activations."""
