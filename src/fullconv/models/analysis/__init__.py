"""What there is to know about a net without training it: layers, cost, graph, activations."""
