"""The project's own speed figures, each against a floor measured in the same run."""
