"""Functions of OTTL, with an example each: of a converter what it gives, as the binary says."""
import json
import subprocess
import tempfile

import functions

GROUPS = {"types": "Types", "convert": "Conversions", "text": "Texts", "case": "Case", "format": "Format", "hashes": "Hashes",
          "encode": "Encodings", "collections": "Lists and maps", "parse": "Parsing", "url": "URLs", "network": "Networks",
          "civil_time": "Time and durations", "grok": "Grok", "maps": "Editors of maps", "texts": "Editors of values",
          "metrics": "Editors of metrics"}
# Of a condition on metrics there is no statement.
CONDITIONS = ("HasAttrKeyOnDatapoint", "HasAttrOnDatapoint")
REQUEST = {"resourceMetrics": [{
    "resource": {"attributes": [{"key": "process.executable.name", "value": {"stringValue": "java"}},
                                {"key": "process.command_line", "value": {"stringValue": "java -jar shop.jar"}}]},
    "scopeMetrics": [{"metrics": [{"name": "process.threads", "unit": "{thread}", "sum": {
        "aggregationTemporality": 2, "dataPoints": [{
            "attributes": [{"key": "state", "value": {"stringValue": "user"}},
                           {"key": "tags", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}}], "timeUnixNano": "1767225600000000000", "asInt": "40"}]}}]}]}]}

# Editors of metrics that are of points.
OF_POINTS = ("convert_summary_sum_val_to_sum", "convert_summary_count_val_to_sum", "merge_histogram_buckets")
# What the metric of an example is, if not a sum.
AT = {"timeUnixNano": "1767225600000000000", "count": "3", "sum": 30.0}
OTHERS = {
    "histogram": {"aggregationTemporality": 2, "dataPoints": [AT | {"bucketCounts": ["1", "2", "0"], "explicitBounds": [5.0, 25.0]}]},
    "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [AT | {
        "scale": 0, "zeroCount": "0", "positive": {"offset": 2, "bucketCounts": ["1", "2"]}}]},
    "summary": {"dataPoints": [AT | {"quantileValues": [{"quantile": 0.5, "value": 9.0}]}]},
    "gauge": {"dataPoints": [{"timeUnixNano": "1767225600000000000", "asInt": "40"}]}}
OF = {"extract_sum_metric": "histogram", "extract_count_metric": "histogram", "extract_percentile_metric": "histogram",
      "merge_histogram_buckets": "histogram", "convert_exponential_histogram_to_histogram": "exponentialHistogram",
      "convert_summary_quantile_val_to_gauge": "summary", "convert_summary_sum_val_to_sum": "summary",
      "convert_summary_count_val_to_sum": "summary", "convert_gauge_to_sum": "gauge"}


def request(kind):
    if not kind:
        return REQUEST
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "http.server.request.duration", "unit": "s", kind: OTHERS[kind]}]}]}]}


def examples(source):
    rows = (source / "docs/generator/ottl-examples.txt").read_text().splitlines()
    return dict(row.split("\t", 1) for row in rows if row and not row.startswith("#"))


def value(any_value):
    """A value of OTLP/JSON, in short."""
    if not any_value:
        return "nil"
    kind, inside = next(iter(any_value.items()))
    if kind == "arrayValue":
        return "[" + ", ".join(value(one) for one in inside.get("values", [])) + "]"
    if kind == "kvlistValue":
        return "{" + ", ".join(f'"{one["key"]}": {value(one["value"])}' for one in inside.get("values", [])) + "}"
    return json.dumps(inside, ensure_ascii=False) if kind == "stringValue" else str(inside).lower() if kind == "boolValue" else str(inside)


def run(binary, folder, processors, kind=None):
    config = {"processors": processors, "service": {"pipelines": {"metrics": {"processors": list(processors)}}}}
    (folder / "config.yaml").write_text(json.dumps(config))
    (folder / "request.json").write_text(json.dumps(request(kind)))
    done = subprocess.run([binary / "phoenix", "pipeline", "run", "--config", folder / "config.yaml", folder / "request.json"],
                          capture_output=True, text=True)
    step = json.loads(done.stdout.splitlines()[0]) if done.stdout else {}
    if done.returncode or "error" in step or "metrics" not in step:
        raise SystemExit(f"an example of docs/generator/ottl-examples.txt is wrong:\n{done.stdout}{done.stderr}")
    return step["metrics"]


def results(binary, known, shown):
    """What each converter of the examples gives."""
    import pathlib
    converters = [name for name in known if known[name][0] == "converter" and name not in CONDITIONS]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        statements = [f'set(datapoint.attributes["{name}"], {shown[name]})' for name in converters]
        made = run(binary, folder, {"transform": {"error_mode": "propagate", "metric_statements": statements}})
        point = made["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["sum"]["dataPoints"][0]
        given = {one["key"]: value(one.get("value")) for one in point["attributes"]}
        for name in CONDITIONS:
            dropped = run(binary, folder, {"filter": {"error_mode": "propagate", "metrics": {"metric": [shown[name]]}}})
            given[name] = "true" if dropped is None else "false"
        # Editors are run each by itself, so that none finds what another has made.
        for name in known:
            if known[name][0] == "editor":
                context = "metric" if known[name][1] == "metrics" and name not in OF_POINTS else "datapoint"
                run(binary, folder, {"transform": {"error_mode": "propagate", "metric_statements": [
                    {"context": context, "statements": [shown[name]]}]}}, OF.get(name))
    return given


def page(source, binary):
    known, shown = functions.read(source), examples(source)
    if set(known) != set(shown):
        raise SystemExit(f"docs/generator/ottl-examples.txt and the functions differ by {sorted(set(known) ^ set(shown))}")
    given = results(binary, known, shown)
    lines = ["# OTTL functions", "",
             "Made by `docs/generate` of the functions that `filter` and `transform` know, and of examples that it runs. Their data point is one of",
             "`process.threads` with the attributes `state` = `user` and `tags` = `[\"a\", \"b\"]`, of a resource with `process.executable.name` = `java`",
             "and `process.command_line` = `java -jar shop.jar`; of histograms and summaries it is one of `http.server.request.duration`. A parameter in brackets can be left out. An argument *as it stands* is a literal in",
             "the config. Converters are written with a capital and give a value; editors change data.", ""]
    for group, title in GROUPS.items():
        lines += [f"## {title}", "", "| function | takes | example | gives |", "|---|---|---|---|"]
        for name, (kind, of, parameters) in known.items():
            if of != group:
                continue
            signature = ", ".join(f"[{one}]" if optional else one for one, _, optional in parameters)
            takes = "; ".join(f"{one}: {what}" for one, what, _ in parameters) or "–"
            gives = f"`{given[name]}`" if kind == "converter" and name != "Now" else "the time" if name == "Now" else "–"
            lines.append(f"| `{name}({signature})` | {takes} | `{shown[name].replace('|', chr(92) + '|')}` | {gives.replace('|', chr(92) + '|')} |")
        lines.append("")
    rest = {of for _, of, _ in known.values()} - set(GROUPS)
    if rest:
        raise SystemExit(f"docs/generator/ottl.py has no title for {sorted(rest)}")
    return "\n".join(lines).rstrip() + "\n"
