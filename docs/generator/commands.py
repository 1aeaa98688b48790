"""Every command, with its --help."""
import subprocess

WIDTH = {"COLUMNS": "120"}


def help_of(binary, words):
    return subprocess.run([binary, *words, "--help"], capture_output=True, text=True, check=True, env=WIDTH).stdout


def children(text):
    """Names of the commands that a help lists."""
    names, on = [], False
    for line in text.splitlines():
        if line == "Commands:":
            on = True
        elif on and not line.startswith("  "):
            break
        elif on and not line.startswith("   "):
            names.append(line.split()[0])
    return [name for name in names if name != "help"]


def section(binary, words, level):
    text = help_of(binary, words)
    lines = [f"{'#' * level} {' '.join([binary.name, *words])}", "", "```text"]
    lines += [line.rstrip() for line in text.strip().splitlines()]
    lines += ["```", ""]
    for child in children(text):
        lines += section(binary, [*words, child], min(level + 1, 4))
    return lines


def page(folder):
    lines = ["# Commands", "", "Made by `docs/generate` of what the binaries say with `--help`.", ""]
    for name in ("phoenix", "phoenix-agent", "phoenix-control-plane"):
        lines += section(folder / name, [], 2)
    return "\n".join(lines).rstrip() + "\n"
