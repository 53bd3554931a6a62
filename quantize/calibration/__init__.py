"""WHAT IS CALIBRATED ON: a role's own talk as it is served, general text in a share, as rows of token ids."""
