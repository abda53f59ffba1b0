"""Sphinx settings.

Build with `python -m sphinx -W docs docs/_build/html`. This runs the examples, which
takes minutes; `-D plot_gallery=0` leaves them out.

For the version switch, set the environment variable SKGN_DOCS_SITE to the address of the
site, which has a folder for each version. The switch reads `switcher.json` there: copy
`_static/switcher.json` to it with each release.
"""

import importlib
import os
from importlib.util import find_spec
from inspect import isroutine
from pathlib import Path

from sphinx.util.fileutil import copy_asset

import skgn

project = "skgn"
author = "The skgn developers"
copyright = author
version = release = skgn.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "gallery/*.py", "gallery/*.ipynb"]
templates_path = ["_templates"]

# Pages

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# Doctests end in an empty line, which is not shown.
highlight_options = {"python": {"stripnl": True}, "pycon": {"stripnl": True}}

# Copied code has neither prompts nor output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# MathJax comes with the package sphinx-mathjax-offline: formulas show without a network.
mathjax_path = "mathjax/tex-chtml.js"
MATHJAX_FILES = "tex-chtml.js", "output/chtml/fonts"

# API


def own_methods(name):
    """Return the names of the public methods that skgn itself defines, in order."""
    module, _, class_name = name.rpartition(".")
    kind = getattr(importlib.import_module(module), class_name)
    # in the order of the code; an overridden method comes once
    names = dict.fromkeys(name for owner in kind.__mro__ for name in vars(owner))
    methods = {
        name: getattr(kind, name, None) for name in names if not name.startswith("_")
    }
    return [
        name
        for name, method in methods.items()
        if isroutine(method) and (method.__module__ or "").startswith("skgn")
    ]


autosummary_context = {"own_methods": own_methods}
suppress_warnings = ["config.cache"]  # a function is not cached
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings have the types
toc_object_entries = False
python_maximum_signature_line_length = 80

# Gallery

#: Arguments of the examples that would take many minutes without.
ARGUMENTS = {
    "plot_activations.py": ["--seeds", "1"],
    "plot_repairs.py": ["--seeds", "1"],
}


def arguments_of(_, script):
    """Return the arguments of an example of the gallery."""
    return ARGUMENTS.get(Path(script["src_file"]).name, [])


sphinx_gallery_conf = {
    "reset_argv": arguments_of,
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "ignore_pattern": r"(^|[/\\])(?!plot_)[^/\\]*\.py$",
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("skgn",),
    "abort_on_example_error": True,
    "capture_repr": (),
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

# Appearance

html_theme = "pydata_sphinx_theme"
html_title = "skgn"
html_static_path = ["_static"]
html_css_files = ["skgn.css"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
# On pages of wide tables, the contents of the page are on the left.
WIDE = "benchmarks", "comparison"
html_sidebars = {"**": ["pages"]} | {page: ["pages", "page-toc"] for page in WIDE}
html_theme_options = {
    "logo": {"text": f"skgn {version}"},
    "navbar_center": [],
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": {"**": ["page-toc"]} | {page: [] for page in WIDE},
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
if site := os.environ.get("SKGN_DOCS_SITE"):
    html_theme_options |= {
        "switcher": {
            "json_url": f"{site.rstrip('/')}/switcher.json",
            "version_match": version,
        },
        "check_switcher": False,
        "navbar_end": ["version-switcher", "theme-switcher"],
    }


def copy_mathjax(app, error):
    """Copy the files of MathJax that the pages load."""
    if error is None and app.builder.format == "html":
        package = find_spec("sphinx-mathjax-offline").submodule_search_locations[0]
        for file in MATHJAX_FILES:
            target = Path(app.outdir, "_static/mathjax", file)
            copy_asset(
                Path(package, "static/mathjax", file),
                target if not target.suffix else target.parent,
            )


def setup(app):
    """Connect what Sphinx calls."""
    app.connect("build-finished", copy_mathjax)
