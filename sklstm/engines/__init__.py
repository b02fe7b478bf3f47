"""Engines: what turns parameters and sequences into losses and gradients."""
