"""Settings of the documentation build: sphinx-build -W --keep-going -q docs docs/_build/html."""

from __future__ import annotations

from importlib import metadata

project = "medbio-workbench"
author = "medbio-workbench maintainers"
release = metadata.version("medbio-workbench")
version = release

extensions = ["myst_nb"]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = f"workbench {release}"

# notebooks are executed by the tests, not by the build
nb_execution_mode = "off"
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]
