"""What is kept: the run file, the environment, and where they live."""
