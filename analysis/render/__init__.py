"""A comparison as Markdown, LaTeX and CSV."""
