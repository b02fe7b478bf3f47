"""Sphinx configuration."""

from docutils import nodes

import sklstm

project = "sklstm"
author = "sklstm developers"
copyright = "2026, sklstm developers"
version = release = sklstm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "py:obj"

autosummary_generate = True
autodoc_typehints = "none"
# The class template lists the members; numpydoc would do it a second time.
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "doc_module": ("sklstm",),
    "backreferences_dir": None,
    "remove_config_comments": True,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklstm"
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {
    "index": [],
    "install": [],
    "api": [],
    "changelog": [],
}

SCIKIT_LEARN = "https://scikit-learn.org/stable/"
SCIKIT_LEARN_PAGES = {
    "accuracy_score": "modules/generated/sklearn.metrics.accuracy_score.html",
    "r2_score": "modules/generated/sklearn.metrics.r2_score.html",
    "df_output_transform": "modules/df_output_transform.html",
    "sphx_glr_auto_examples_miscellaneous_plot_set_output.py": (
        "auto_examples/miscellaneous/plot_set_output.html"
    ),
}


def link_to_scikit_learn(app, env, node, contnode):
    """Resolve the references in docstrings that are inherited from scikit-learn.

    Intersphinx would do it too, but needs the network at build time.
    """
    target = node["reftarget"]
    if node["reftype"] == "term":
        page = f"glossary.html#term-{target.replace(' ', '-')}"
    else:
        page = SCIKIT_LEARN_PAGES.get(target)
    if page is None:
        return None
    link = nodes.reference("", "", internal=False, refuri=SCIKIT_LEARN + page)
    link += contnode
    return link


def setup(app):
    app.connect("missing-reference", link_to_scikit_learn)
