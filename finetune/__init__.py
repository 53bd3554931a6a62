"""Trains what the room speaks with: the bundled base, roles' adapters. Knows no server and no client."""
