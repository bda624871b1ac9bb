"""Charts, maps and HTML, self-contained: SVG and CSS, no network."""
