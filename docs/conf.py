"""Configure Sphinx. `make docs` builds with `-W -n`: a warning is an error."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

project = "routilux"
author = "The routilux authors"
copyright = author

try:
    release = installed_version("routilux")
except PackageNotFoundError:  # built from a tree that was never installed
    release = "unreleased"
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
default_role = "code"  # `name` in a docstring is code

# `-n` reports every name that leads nowhere; these are documented elsewhere.
nitpick_ignore = [
    ("py:class", "ActivationPolicy"),  # "A policy from scratch" in policies.md
    ("py:class", "JobError"),  # job.error, told in errors.md
    ("py:class", "Key"),  # of set_concurrency, told in concurrency.md
    ("py:class", "Self"),  # Sphinx looks for it in typing, which has it since 3.11
]
nitpick_ignore_regex = [
    ("py:class", r"(collections|concurrent|contextvars|datetime|os|pathlib|types)\..*"),
    ("py:class", "datetime|Path|PathLike|Token"),  # the same, as the sources name them
    ("py:class", "Direction|Form|Progress|Run"),  # told in seeing.md, and by DrawnFlow
    ("py:class", r"routilux\..*\.[RT]"),  # type variables
]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Configuration", "params_style")]

# Prompts and their output are not copied; what is copied can be pasted and run.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"routilux {release}"
html_static_path = ["_static"]
html_css_files = ["output.css"]
