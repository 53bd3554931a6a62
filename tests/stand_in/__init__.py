"""Servers that speak as real ones do, without a model: what engines are tried against where no GPU and no network is."""
