"""Everything that makes HTML: routes, views, words, templates."""
