"""What every other package stands on: the data that crosses borders, errors, files, checks, compiled kernels."""
