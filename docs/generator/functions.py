"""Functions of OTTL, read from the tables in pipelines/src/ottl: the kind, the name and the parameters of each."""
import re

PARAMETER = re.compile(r'\b(required|optional)\(\s*"(\w+)",\s*ParamType::(\w+)(?:\(&ParamType::(\w+)\))?')
TYPES = {"Any": "any value", "Text": "text", "Int": "integer", "Double": "double", "Bool": "boolean", "Map": "map", "List": "list",
         "Time": "time", "Duration": "duration", "TextLike": "what converts to text", "IntLike": "what converts to an integer",
         "DoubleLike": "what converts to a double", "BoolLike": "what converts to a boolean", "BytesLike": "what has bytes",
         "FixedText": "text, as it stands", "FixedInt": "integer, as it stands", "FixedDouble": "double, as it stands",
         "FixedBool": "boolean, as it stands", "FixedTexts": "list of texts, as it stands", "FixedDoubles": "list of doubles, as it stands",
         "Target": "path", "Function": "name of a converter"}


def parameters(text):
    found = []
    for one in re.finditer(r'\bTARGET\b|\bSUFFIX\b|' + PARAMETER.pattern, text):
        if one[0] == "TARGET":
            found.append(("target", "path", False))
        elif one[0] == "SUFFIX":
            found.append(("suffix", TYPES["FixedText"], True))
        else:
            kind = f"list of {TYPES[one[4]]}" if one[3] == "Values" else TYPES[one[3]]
            found.append((one[2], kind, one[1] == "optional"))
    return found


def bracketed(text, start):
    """The text from `start`, where a bracket opens, to where it closes."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"[": 1, "]": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at + 1]
    raise ValueError("a bracket that does not close")


def read(source):
    functions = {}
    for folder in ("functions", "editors"):
        for path in sorted((source / "pipelines/src/ottl" / folder).glob("*.rs")):
            text = path.read_text()
            if "TABLE: &[Signature]" not in text:
                continue
            constants = {one[1]: bracketed(text, one.end() - 1)
                         for one in re.finditer(r"const (\w+): &\[(?:super::)?Parameter\] = &\[", text)}
            for one in re.finditer(r'\b(converter|editor)\(\s*"(\w+)",\s*(?:&(\[)|(\w+))', text):
                given = bracketed(text, one.start(3)) if one[3] else constants[one[4]]
                functions[one[2]] = (one[1], path.stem, parameters(given))
    return functions
