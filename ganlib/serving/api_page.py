"""The API's description as plain HTML, from its OpenAPI document: no script, nothing from elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any


def page(document: dict[str, Any]) -> str:
    """Return an HTML page of ``document``."""
    schemas = document.get("components", {}).get("schemas", {})
    routes = "".join(
        _route(method, path, operation, schemas)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "head"
    )
    records = "".join(
        f"<h3 id='{escape(name)}'>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p>{_fields(schema)}"
        for name, schema in schemas.items()
    )
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}: API</title>"
        "<meta name='viewport' content='width=device-width'><link rel='stylesheet' href='static/page.css'>"
        f"<body class='reference'><main><h1>{title}: API</h1><p>{escape(info.get('description', ''))}</p>"
        "<p>Machines read <a href='openapi.json'>openapi.json</a>; people draw at <a href='./'>the page</a>. "
        "HEAD is answered as GET is, without the body.</p>"
        f"{routes}<h2>Records</h2>{records}</main></body></html>"
    )


def as_head(get: dict[str, Any]) -> dict[str, Any]:
    """Return the operation HEAD beside ``get``: the same answers, without what is in them."""
    answers = {
        status: {key: value for key, value in answer.items() if key != "content"}
        for status, answer in get["responses"].items()
    }
    return {**get, "operationId": f"{get['operationId']}_head", "responses": answers}


def _route(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    parameters = {each["name"]: {**each["schema"], **each} for each in operation.get("parameters", ())}
    bodies = operation.get("requestBody", {}).get("content", {})
    answers = "".join(
        f"<li><strong>{escape(status)}</strong> {escape(answer.get('description', ''))} "
        + ", ".join(f"<code>{escape(kind)}</code> {_type(content.get('schema', {}))}"
                    for kind, content in answer.get("content", {}).items())
        for status, answer in operation["responses"].items()
    )  # fmt: skip
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation.get('description', ''))}</p>"
        + (_fields({"properties": parameters}) if parameters else "")
        + "".join(f"<p>Body: <code>{escape(kind)}</code> {_type(body['schema'])}</p>" for kind, body in bodies.items())
        + f"<ul>{answers}</ul>"
    )


def _fields(schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'><code>{escape(name)}</code></th><td>{_type(field)}{_default(field)}</td>"
        f"<td>{escape(field.get('description', ''))}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    )
    return f"<table>{rows}</table>" if rows else ""


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    return "" if value is None else f", default <code>{escape(json.dumps(value))}</code>"


def _type(schema: dict[str, Any]) -> str:
    """A type in words, linked where it is a record."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    bounds = [
        f"{sign} {schema[key]}"
        for key, sign in (("minimum", "&ge;"), ("exclusiveMinimum", "&gt;"), ("maximum", "&le;"))
        if key in schema
    ]
    return escape(str(schema.get("type", "anything"))) + (f" {', '.join(bounds)}" if bounds else "")
