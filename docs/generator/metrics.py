"""Every metric of both binaries: its kind and its help, as they register it, and its labels, as they stand in /metrics after a while at
work. What only an event brings about has no labels here."""
import json
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

FILES = {"agent": ["agent/src/telemetry/metrics.rs", "agent/src/telemetry/counters.rs"], 
         "control plane": ["control-plane/src/metrics.rs", "control-plane/src/metrics/certificates.rs", "control-plane/src/metrics/experiments.rs",
                           "control-plane/src/store/waits.rs", "control-plane/src/traces/queue.rs"]}
REGISTERED = re.compile(r'(?:let help =\s*"(?P<before>[^"]*)";\s*)?\w+\.register\(\s*"(?P<name>\w+)",\s*(?:"(?P<help>[^"]*)"|help),\s*(?:\w+\.)+?(?P<field>\w+)(?:\.shown)?\.clone\(\)')
COLLECTED = re.compile(r'encode_descriptor\(\s*"(?P<name>\w+)",\s*(?P<help>\w+),')
LINE = re.compile(r'^(?P<name>[a-zA-Z_:]+)(?:\{(?P<labels>.*)\})? ')
CONFIG = """
receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: "127.0.0.1:0" }}, http: {{ endpoint: "127.0.0.1:0" }} }} }} }}
processors:
  filter/virtual: {{ metrics: {{ datapoint: ['metric.name == "process.memory.virtual"'] }} }}
exporters:
  otlp: {{ endpoint: "http://{sink}", tls: {{ insecure: true }}, sending_queue: {{ storage: file_storage }} }}
  nop: {{}}
extensions:
  health_check: {{ endpoint: "127.0.0.1:0" }}
  file_storage: {{ directory: "{dir}/queue", create_directory: true }}
service:
  extensions: [health_check, file_storage]
  pipelines:
    metrics/today: {{ receivers: [otlp], exporters: [otlp] }}
    metrics/cheaper: {{ receivers: [otlp], processors: [filter/virtual], exporters: [otlp] }}
    traces: {{ receivers: [otlp], exporters: [nop] }}
    logs: {{ receivers: [otlp], exporters: [nop] }}
phoenix:
  data_dir: "{dir}/agent"
  admin: "127.0.0.1:0"
  experiment: {{ baseline: metrics/today, candidate: metrics/cheaper, weight: 50% }}
"""


def registered(source, files):
    """Name, kind and help of what stands in the code."""
    found = {}
    for file in files:
        text = (source / file).read_text()
        for one in REGISTERED.finditer(text):
            kind = re.search(rf"\b{one['field']}: (.*),", text)
            kind = kind[1] if kind else ""
            counter = "Counter" in kind
            # What is a Counter there ends in _total; a PlainCounter has the name as it stands.
            name = one["name"] + ("_total" if counter and "PlainCounter" not in kind and not one["name"].endswith("_total") else "")
            times = "Histogram" in kind or "Durations" in kind
            found[name] = ("histogram" if times else "counter" if counter else "gauge", one["help"] or one["before"])
        for one in COLLECTED.finditer(text):
            found[one["name"]] = ("gauge", re.search(rf'const {one["help"]}: &str =\s*"([^"]*)";', text)[1])
    return found


def seen(text):
    """Kind, help and labels of what stands in /metrics."""
    found, head = {}, {}
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            _, what, name, *rest = line.split(" ", 3)
            head.setdefault(name, {})[what] = rest[0] if rest else ""
        elif (one := LINE.match(line)):
            base = re.sub("_(bucket|count|sum)$", "", one["name"])
            if head.get(base, {}).get("TYPE") == "histogram":
                labels = [label for label in re.findall(r'(\w+)="', one["labels"] or "") if label != "le"]
                found[base] = ("histogram", head[base].get("HELP", "").removesuffix("."), labels)
                continue
            of = head.get(one["name"]) or head.get(one["name"].removesuffix("_total")) or {}
            labels = re.findall(r'(\w+)="', one["labels"] or "")
            kind = "gauge" if of.get("TYPE") == "gauge" else "counter"
            found[one["name"]] = (kind, of.get("HELP", "").removesuffix("."), labels)
    return found


def get(address, path, body=None, kind="application/json"):
    asked = urllib.request.Request(f"http://{address}{path}", data=body, headers={"content-type": kind})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return answer.read().decode()


def wait(what, ready):
    for _ in range(300):
        try:
            if (found := ready()):
                return found
        except (OSError, ValueError, KeyError, IndexError):
            pass
        time.sleep(0.1)
    raise SystemExit(f"not within 30 s: {what}")


class Started:
    """Processes that end with the block."""

    def __init__(self, dir):
        self.dir, self.all = dir, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.all:
            one.kill()
            one.wait()

    def __call__(self, name, *command):
        out = self.dir / f"{name}.out"
        with open(out, "w") as said, open(self.dir / f"{name}.log", "w") as log:
            self.all.append(subprocess.Popen(command, stdout=said, stderr=log))
        return wait(f"{name} listens", lambda: json.loads(out.read_text().splitlines()[0]))


def at_work(binary):
    """What /metrics of both says after a while at work."""
    with tempfile.TemporaryDirectory() as dir, Started(pathlib.Path(dir)) as start:
        dir = pathlib.Path(dir)
        sink = start("sink", binary / "phoenix", "sink", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        (dir / "agent.yaml").write_text(CONFIG.format(sink=sink["listening"]["otlp"], dir=dir))
        agent = start("agent", binary / "phoenix-agent", "--config", dir / "agent.yaml")["listening"]
        plane = start("plane", binary / "phoenix-control-plane", "serve", "--data-dir", dir / "plane", "--listen", "127.0.0.1:0",
                      "--fleet-listen", "127.0.0.1:0")["listening"]
        for signal, empty in (("traces", "resourceSpans"), ("logs", "resourceLogs")):
            get(agent["otlp_http"], f"/v1/{signal}", json.dumps({empty: []}).encode())
        for address, kind in ((agent["otlp_http"], "text/plain"), (plane["rest"], "application/json")):
            try:
                get(address, "/v1/metrics", b"x", kind)
            except urllib.error.HTTPError:
                pass
        start.all.append(subprocess.Popen([binary / "phoenix", "simulate", "--endpoint", f"http://{agent['otlp_grpc']}", "--interval", "1s"],
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        there = lambda *names: wait(" ".join(names), lambda: (text := get(agent["admin"], "/metrics")) if all(name in (text := get(agent["admin"], "/metrics")) for name in names) else None)
        text = there("otelcol_exporter_sent_metric_points{", "phoenix_leaving_points_total{", 'variant="candidate"', "phoenix_rule_dropped_points_total{")
        return {"agent": text, "control plane": get(plane["rest"], "/metrics")}


def page(source, binary):
    lines = ["# Metrics", "",
             "Made by `docs/generate` of what agent and control plane serve at `/metrics`, and of what they register. Names that begin with `otelcol_` are the",
             "Collector's and mean the same; `without_type_suffix` and `without_units` of `service.telemetry` say how they end. Here they are as without",
             "these options.", ""]
    for process, text in at_work(binary).items():
        there, known = seen(text), registered(source, FILES[process])
        lines += [f"## Of the {process}", "", "| metric | kind | labels | what it counts |", "|---|---|---|---|"]
        for name in sorted(set(there) | set(known)):
            kind, help = (there.get(name) or known[name])[:2]
            kind, help = known.get(name, (kind, help))
            labels = ", ".join(f"`{one}`" for one in there[name][2]) if name in there else ""
            lines.append(f"| `{name}` | {kind} | {labels} | {help} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
