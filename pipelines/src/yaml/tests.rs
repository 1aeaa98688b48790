//! Documents as people write them, and what they get wrong.

use proptest::prelude::*;

use super::*;

fn none(_: &str) -> Option<String> {
    None
}

fn read_ok(source: &str) -> Node {
    read("test.yaml", source, &none).unwrap_or_else(|problems| panic!("{problems}"))
}

fn read_err(source: &str) -> Problems {
    read("test.yaml", source, &none).unwrap_err()
}

fn get<'a>(node: &'a Node, key: &str) -> &'a Node {
    &node.entries().unwrap().iter().find(|entry| entry.key.text == key).unwrap().value
}

fn at(line: u32, column: u32) -> Location {
    Location { line, column }
}

#[test]
fn plain_scalars_have_the_kinds_that_the_collector_gives_them() {
    let kinds = [
        ("42", Kind::Int(42)),
        ("-1_000", Kind::Int(-1000)),
        ("0x1f", Kind::Int(31)),
        ("0o17", Kind::Int(15)),
        ("017", Kind::Int(15)),
        ("0b11", Kind::Int(3)),
        ("4.0", Kind::Float(4.0)),
        ("1e3", Kind::Float(1000.0)),
        (".5", Kind::Float(0.5)),
        ("-.inf", Kind::Float(f64::NEG_INFINITY)),
        ("true", Kind::Bool(true)),
        ("~", Kind::Null),
        ("", Kind::Null),
    ];
    for (source, kind) in kinds {
        assert_eq!(get(&read_ok(&format!("a: {source}")), "a").kind, kind, "{source}");
    }
    for text in ["yes", "off", "1.2.3", "10s", "+", "-a", "0x", "1e", "'42'", "\"true\"", "!!str 7"] {
        let node = read_ok(&format!("a: {text}"));
        assert!(matches!(get(&node, "a").kind, Kind::Text(_)), "{text}");
    }
    assert!(read_err("a: 9223372036854775808").to_string().contains("64-bit"));
    assert!(read_err("a: 0xffffffffffffffffff").to_string().contains("64-bit"));
}

#[test]
fn a_place_within_a_text_is_found_through_quotes_escapes_and_folding() {
    let source = r#"
plain: one two
double: "a\tb\u0041 x"
single: 'it''s x'
literal: |
  first
    second x
folded: >-
  metric.name == "a"
  or x
"#;
    let node = read_ok(source);
    for (key, place) in [
        ("double", at(3, 21)),
        ("single", at(4, 16)),
        ("literal", at(7, 12)),
        ("folded", at(10, 6)),
        ("plain", at(2, 8)),
    ] {
        let text = get(&node, key).located_text().unwrap();
        let offset = text.text().find('x').unwrap_or(0);
        assert_eq!(text.at(offset), place, "{key}: {text:?}");
    }
}

#[test]
fn every_mistake_is_reported_with_its_line() {
    let problems = read_err("a: 1\nb: {c: 2, c: 3}\na: !thing 2\n");
    let shown = problems.to_string();
    assert_eq!(problems.problems.len(), 3, "{shown}");
    assert!(shown.contains("test.yaml:2:11: the key \"c\" is already set at 2:5"), "{shown}");
    assert!(shown.contains("\n 2 | b: {c: 2, c: 3}\n   |           ^"), "{shown}");
    assert!(shown.contains("the key \"a\" is already set at 1:1"), "{shown}");
    let syntax = read_err("a: [1, 2\nb: 3\n");
    assert!(syntax.to_string().starts_with("test.yaml:2:"), "{syntax}");
}

#[test]
fn anchors_aliases_and_merge_keys_are_resolved() {
    let node =
        read_ok("base: &b {x: 1, y: 2}\nlist: [*b, *b]\nmap:\n  <<: *b\n  y: 3\nmany: {<<: [{x: 5}, *b]}");
    assert_eq!(get(&node, "list").list().unwrap().len(), 2);
    assert_eq!(get(get(&node, "map"), "y").kind, Kind::Int(3));
    assert_eq!(get(get(&node, "map"), "x").kind, Kind::Int(1));
    assert_eq!(get(get(&node, "many"), "x").kind, Kind::Int(5));
    assert!(read_err("a: {<<: 3}").to_string().contains("cannot merge"));
    assert!(read_err("a: *nothing").to_string().contains("test.yaml:1:"));
    assert!(read_err("a: &a [*a]").to_string().contains("test.yaml:1:"));
}

#[test]
fn a_document_that_would_explode_is_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..20 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        laughs += &format!("a{n}: &a{n} [{aliases}]\n");
    }
    assert!(read_err(&laughs).to_string().contains("more than 50000 values"));
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(500_000), ["*a"; 100].join(", "));
    assert!(read_err(&long).to_string().contains("more than 50000 values"));
    let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    assert!(read_err(&deep).to_string().contains("levels"));
    assert!(read_err(&" ".repeat((1 << 20) + 1)).to_string().contains("at most"));
}

#[test]
fn one_document_is_read_and_an_empty_one_is_null() {
    assert!(read_ok("").is_null());
    assert!(read_ok("# nothing\n---\n").is_null());
    assert!(read_err("a: 1\n---\nb: 2\n").to_string().contains("second document"));
}

#[test]
fn variables_are_expanded_as_the_collector_does() {
    let lookup = |name: &str| match name {
        "PORT" => Some("4317".to_owned()),
        "HOST" => Some("example".to_owned()),
        "QUOTED" => Some("\"007\"".to_owned()),
        "LIST" => Some("[a, b]".to_owned()),
        "NESTED" => Some("${env:HOST}!".to_owned()),
        "LOOP" => Some("x${env:LOOP}".to_owned()),
        _ => None,
    };
    let expand =
        |value: &str| read("e.yaml", &format!("a: {value}"), &lookup).map(|node| get(&node, "a").clone());
    let port = expand("${env:PORT}").unwrap();
    assert_eq!(port.kind, Kind::Int(4317));
    assert_eq!(port.text().unwrap(), "4317", "a variable's number is text where text is wanted");
    assert_eq!(expand("${env:NONE:-true}").unwrap().kind, Kind::Bool(true));
    assert!(expand("${NONE}").unwrap().is_null());
    for (value, text) in [
        ("${HOST}:${env:PORT}", "example:4317"),
        ("${env:QUOTED}", "\"007\""),
        ("${NESTED}", "example!"),
        ("${yaml:a b}", "a b"),
        ("a-${env:NONE:-b}-$$c", "a-b-$c"),
        ("$${env:HOST}", "${env:HOST}"),
        ("$$${env:HOST}", "$example"),
        ("${env:NONE:-${HOST}}", "example"),
        ("^a$", "^a$"),
        ("\"$$$$\"", "$$"),
    ] {
        assert_eq!(expand(value).unwrap().text().unwrap(), text, "{value}");
    }
    for (value, message) in [
        ("${env:LIST}", "list or a map"),
        ("${file:/etc/passwd}", "the file cannot be read here"),
        ("${http://x}", "nothing is read from"),
        ("${env:1X}", "no name of a variable"),
        ("x${env:LOOP}", "holds itself"),
    ] {
        let problems = expand(value).unwrap_err().to_string();
        assert!(problems.contains(message), "{value}: {problems}");
    }
}

#[test]
fn the_value_of_a_variable_is_not_shown() {
    let node = read("e.yaml", "a: ${env:TOKEN}", &|_| Some("secret".to_owned())).unwrap();
    let wrong =
        [get(&node, "a").int().unwrap_err(), get(&node, "a").one_of("mode", &[("b", 1)]).unwrap_err()];
    for problem in wrong {
        assert!(!format!("{problem:?}").contains("secret"), "{problem:?}");
    }
}

#[test]
fn a_place_after_a_variable_or_a_doubled_dollar_is_still_found() {
    let node = read("e.yaml", "a: IsMatch(x, \"a$$\") ${env:N:-zz} y", &none).unwrap();
    let text = get(&node, "a").located_text().unwrap();
    assert_eq!(text.text(), "IsMatch(x, \"a$\") zz y");
    assert_eq!(text.at(text.text().find(')').unwrap()), at(1, 20));
    assert_eq!(text.at(text.text().find('y').unwrap()), at(1, 35));
}

#[test]
fn unknown_keys_are_reported_with_the_nearest_known_one() {
    let node = read_ok("metrc: 1\nresource: null\n");
    let mut problems = Vec::new();
    let mut fields = node.map().unwrap();
    assert!(fields.take("metric").is_none());
    assert!(fields.take("resource").is_none());
    assert!(fields.required("needed").unwrap_err().message.contains("\"needed\" is missing"));
    fields.finish(&mut problems);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].suggestion.as_deref(), Some("metric"));
    assert_eq!(problems[0].location, at(1, 1));
}

#[test]
fn typed_access_says_what_stands_there_instead() {
    let node = read_ok("n: 5\nt: x\nd: 1m30s\nbad: 5 s\nneg: -1\n");
    assert_eq!(get(&node, "n").text().unwrap_err().message, "the integer 5 stands here");
    assert_eq!(get(&node, "t").int().unwrap_err().expected.unwrap(), "a whole number");
    assert_eq!(get(&node, "d").duration().unwrap().as_secs(), 90);
    for wrong in ["bad", "n", "t"] {
        assert!(get(&node, wrong).duration().is_err(), "{wrong}");
    }
    assert!(get(&node, "neg").unsigned().is_err());
    let unknown = get(&node, "t").one_of("letter", &[("y", 1), ("z", 2)]).unwrap_err();
    assert_eq!(unknown.expected.unwrap(), "one of y, z");
}

proptest! {
    #[test]
    fn reading_never_panics(source in "[-a-z0-9:\\[\\]{}#&*!|>'\"%@`~<$ \n\t.,?é]{0,200}") {
        if let Err(problems) = read("p.yaml", &source, &|name| Some(name.to_owned())) {
            prop_assert!(!problems.problems.is_empty());
            prop_assert!(!problems.to_string().is_empty());
        }
    }

    #[test]
    fn every_place_of_a_text_is_in_the_source(source in "[a-z0-9:'\"\\\\|>$ \n]{0,80}") {
        let Ok(node) = read("p.yaml", &source, &none) else { return Ok(()) };
        let mut nodes = vec![&node];
        while let Some(node) = nodes.pop() {
            match &node.kind {
                Kind::List(items) => nodes.extend(items),
                Kind::Map(entries) => nodes.extend(entries.iter().map(|entry| &entry.value)),
                Kind::Text(text) => for offset in 0..=text.text().len() + 1 {
                    let place = text.at(offset);
                    prop_assert!(place.line as usize <= source.lines().count() + 1);
                },
                _ => {}
            }
        }
    }
}
