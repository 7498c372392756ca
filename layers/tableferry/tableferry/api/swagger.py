"""The page that shows the OpenAPI document."""

from __future__ import annotations

from pathlib import Path


def swagger_page(document: str) -> str:
    """Swagger UI, from the copy that Powertools carries, with a document."""
    # Not at import: it brings the models of all that a document can hold, which no other request needs.
    from aws_lambda_powertools.event_handler.openapi import swagger_ui

    folder = Path(swagger_ui.__file__).parent
    return swagger_ui.generate_swagger_html(
        spec=document,
        swagger_js=(folder / "swagger-ui-bundle.min.js").read_text(encoding="utf-8"),
        swagger_css=(folder / "swagger-ui.min.css").read_text(encoding="utf-8"),
        swagger_base_url="",
        oauth2_config=None,
    )
