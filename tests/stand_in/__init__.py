"""Servers that speak as real ones do, without a model: what engines are tried against where there is no GPU."""
