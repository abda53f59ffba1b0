"""Sphinx settings. Build with: python -m sphinx -W docs docs/_build/html"""

import skgn

project = "skgn"
author = "The skgn developers"
copyright = author
version = release = skgn.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

numpydoc_show_class_members = False
autodoc_member_order = "bysource"
toc_object_entries = False

html_theme = "alabaster"
html_theme_options = {
    "description": "Multi-layer perceptrons for scikit-learn, trained by Gauss-Newton",
    "fixed_sidebar": True,
    "page_width": "1240px",
    "body_max_width": "none",
}
