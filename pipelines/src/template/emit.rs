//! A tree as YAML: blocks for people to read, and every text that could be read as something else in quotes.

use std::fmt::Write as _;

use crate::yaml::{Kind, Node, is_plain_text, parse_duration};

use super::literal;

/// Writes a tree. What is read from the text is the same tree, places aside.
pub(crate) fn yaml(node: &Node) -> String {
    let mut out = String::new();
    match &node.kind {
        Kind::Map(entries) if !entries.is_empty() => block(node, 0, &mut out),
        Kind::List(items) if !items.is_empty() => block(node, 0, &mut out),
        _ => {
            scalar(node, &mut out);
            out.push('\n');
        }
    }
    out
}

/// Writes a tree on one line, as it can stand between braces.
pub(crate) fn flow(node: &Node) -> String {
    let mut out = String::new();
    flow_into(node, &mut out);
    out
}

fn flow_into(node: &Node, out: &mut String) {
    let mut first = true;
    let mut comma = |out: &mut String| {
        out.push_str(if std::mem::take(&mut first) { "" } else { ", " });
    };
    match &node.kind {
        Kind::List(items) => {
            out.push('[');
            for item in items {
                comma(out);
                flow_into(item, out);
            }
            out.push(']');
        }
        Kind::Map(entries) => {
            out.push('{');
            for entry in entries {
                comma(out);
                text(&entry.key.text, out);
                out.push_str(": ");
                flow_into(&entry.value, out);
            }
            out.push('}');
        }
        _ => scalar(node, out),
    }
}

fn is_block(node: &Node) -> bool {
    match &node.kind {
        Kind::Map(entries) => !entries.is_empty(),
        Kind::List(items) => !items.is_empty(),
        _ => false,
    }
}

/// Writes a map or a list, one entry a line; the first is indented too.
fn block(node: &Node, indent: usize, out: &mut String) {
    match &node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                pad(indent, out);
                text(&entry.key.text, out);
                out.push(':');
                value(&entry.value, indent + 2, out);
            }
        }
        Kind::List(items) => {
            for item in items {
                pad(indent, out);
                out.push('-');
                value(item, indent + 2, out);
            }
        }
        _ => {}
    }
}

fn value(node: &Node, indent: usize, out: &mut String) {
    if is_block(node) {
        out.push('\n');
        block(node, indent, out);
    } else {
        out.push(' ');
        scalar(node, out);
        out.push('\n');
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(node: &Node, out: &mut String) {
    match &node.kind {
        Kind::Null => out.push_str("null"),
        Kind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Kind::Int(value) => {
            let _ = write!(out, "{value}");
        }
        Kind::Float(value) if value.is_nan() => out.push_str(".nan"),
        Kind::Float(value) if value.is_infinite() => {
            out.push_str(if *value > 0.0 { ".inf" } else { "-.inf" });
        }
        Kind::Float(value) => out.push_str(&literal::double(*value)),
        Kind::Text(value) => text(value.text(), out),
        Kind::List(_) => out.push_str("[]"),
        Kind::Map(_) => out.push_str("{}"),
    }
}

/// Plain if nobody could take it for anything else, in double quotes otherwise.
fn text(value: &str, out: &mut String) {
    let word = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./-".contains(&b))
        && !["y", "n", "yes", "no", "on", "off"].contains(&value.to_ascii_lowercase().as_str());
    let duration = parse_duration(value).is_some() && value.starts_with(|c: char| c.is_ascii_digit());
    if (word || duration) && is_plain_text(value) {
        out.push_str(value);
    } else {
        quoted(value, out);
    }
}

fn quoted(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
}
