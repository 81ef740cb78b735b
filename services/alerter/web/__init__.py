"""All HTML: routes, views, texts, templates."""
