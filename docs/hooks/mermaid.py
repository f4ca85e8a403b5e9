"""Diagrams without a request to elsewhere: the site brings Mermaid along, from the npm package that `docs/` pins."""

from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

SOURCE: Final = Path(__file__).parents[1] / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"
TARGET: Final = "assets/mermaid.min.js"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the script to what is copied. Raises PluginError where it is not installed."""
    if not SOURCE.exists():
        raise PluginError("Mermaid is not installed: use make docs, or run npm ci in docs/.")
    files.append(File.generated(config, TARGET, abs_src_path=str(SOURCE)))
    return files


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001  # mkdocs passes it by name
    """Loads it on pages that have a diagram, before the theme looks whether it is there: it is large."""
    if 'class="mermaid"' not in output:
        return output
    return output.replace("</head>", f'<script src="{get_relative_url(TARGET, page.url)}"></script></head>', 1)
