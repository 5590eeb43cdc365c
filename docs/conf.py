"""
Configuration of Sphinx, which builds the site: ``make docs``.

The source folder is the whole repository, so that links between pages work here as they do on a code host. The pages
are named below.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from airflow_provider_mparticle import __version__  # noqa: E402 - the path is set above

project = "airflow-provider-mparticle"
version = release = __version__
root_doc = "docs/index"
include_patterns = [
    *("docs/*.md", "docs/*/*.md", "benchmarks/RESULTS.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
]
exclude_patterns = [".*", "airflow_provider_mparticle", "build", "dev", "dist", "example_dags", "tests"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinxcontrib.mermaid", "generated"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
nitpicky = False  # the docstrings name types of Airflow, whose inventory cannot be read without a network
default_role = "py:obj"

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
add_module_names = False

html_theme = "furo"
html_title = f"mParticle for Airflow {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["root"]
html_copy_source = False
html_show_sourcelink = False
templates_path: list[str] = []
html_theme_options = {"navigation_with_keys": True}
