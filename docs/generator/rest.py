"""Every endpoint and every shape of REST, of the OpenAPI document that the control plane serves, which its own tests hold to the routes."""
import json


def cell(text):
    return " ".join((text or "").split()).replace("|", "\\|")


def shape(schema):
    """The type of a schema, in a few words; a shape of the document is a link."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return " or ".join(shape(one) for one in schema[several] if one.get("type") != "null") or "null"
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        kind = " or ".join(one for one in kind if one != "null")
    if kind == "array":
        return f"list of {shape(schema.get('items', {}))}"
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    extra = schema.get("additionalProperties")
    if kind == "object" and isinstance(extra, dict) and "properties" not in schema:
        return f"map of {shape(extra)}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def fields(schema):
    required = set(schema.get("required", []))
    rows = ["| field | type | what it is |", "|---|---|---|"]
    for name, one in schema["properties"].items():
        must = "" if name in required else " (optional)"
        rows.append(f"| `{name}`{must} | {cell(shape(one))} | {cell(one.get('description'))} |")
    return rows


def body(content):
    return ", ".join(f"{shape(one['schema'])}" if "schema" in one else kind for kind, one in content.items())


def endpoint(method, path, operation):
    lines = [f"### {method.upper()} {path}", "", operation.get("summary", ""), ""]
    if operation.get("description"):
        lines += [operation["description"], ""]
    if operation.get("parameters"):
        lines += ["| parameter | in | type | what it is |", "|---|---|---|---|"]
        for one in operation["parameters"]:
            lines.append(f"| `{one['name']}` | {one['in']} | {cell(shape(one.get('schema', {})))} | {cell(one.get('description'))} |")
        lines.append("")
    if "requestBody" in operation:
        lines += [f"Body: {body(operation['requestBody']['content'])}", ""]
    for status, answer in sorted(operation["responses"].items()):
        if answer.get("description") in EVERYWHERE:
            continue
        of = f" {body(answer['content'])}" if answer.get("content") else ""
        said = f" {cell(answer['description'])}" if answer.get("description") else ""
        lines.append(f"- {status}:{said}{of}")
    return lines + [""]


# Refusals that most routes share; the page says them once.
EVERYWHERE = {
    "Not logged in": "401",
    "The role, or the API key, does not reach so far": "403",
    "The request cannot be read": "400",
    "The body is too large": "413",
    "The body is not application/json": "415",
    "A field or a parameter is not valid": "422",
    "Another refusal, such as 429 or 503 with Retry-After": "others",
}


def page(source):
    document = json.loads((source / "control-plane/tests/api/openapi.json").read_text())
    lines = ["# REST", "", "Made by `docs/generate` of the document that a control plane serves at `/openapi.json`.",
             document["info"]["description"], "",
             "Besides what stands at a route, it may be refused as any other:", "",
             *(f"- {status}: {said}" for said, status in sorted(EVERYWHERE.items(), key=lambda one: one[1])), ""]
    tags = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                tags.setdefault((operation.get("tags") or ["other"])[0], []).append((method, path, operation))
    for tag, all_of_it in tags.items():
        lines += [f"## {tag}", ""]
        for one in all_of_it:
            lines += endpoint(*one)
    lines += ["## Shapes", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += [f"### {name}", ""]
        if schema.get("description"):
            lines += [schema["description"], ""]
        lines += fields(schema) if "properties" in schema else [cell(shape(schema))]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
