"""Latent-variable and image models: counterfactual pictures from a graph."""
