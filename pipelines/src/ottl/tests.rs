//! The grammar, what is said about mistakes, and that nothing a person types brings it down.

use proptest::prelude::*;

use crate::cost::Allowance;
use crate::ottl::syntax::ast::{Boolean, CompareOp, MathOp, Value, ValueKind};
use crate::ottl::syntax::parse;
use crate::yaml::{Located, Location, Problem};

use super::*;

fn located(text: &str) -> Located {
    Located::new(text, Location::START)
}

fn refused(text: &str, context: Context, style: Style) -> Problem {
    let problems = Condition::compile(&located(text), context, style, &mut Allowance::new()).unwrap_err();
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    problems[0].clone()
}

fn column(text: &str, context: Context) -> (u32, String) {
    let problem = refused(text, context, Style::Either);
    (problem.location.column, problem.message)
}

/// The value on the left of `value == 0`.
fn value(text: &str) -> Value {
    match parse::condition(&format!("{text} == 0")).unwrap() {
        Boolean::Comparison(comparison) => comparison.left,
        other => panic!("{other:?}"),
    }
}

/// A value of numbers with every operation in parentheses.
fn shape(value: &Value) -> String {
    match &value.kind {
        ValueKind::Int(number) => number.to_string(),
        ValueKind::Double(number) => format!("{number:?}"),
        ValueKind::Negation(inner) => format!("(-{})", shape(inner)),
        ValueKind::Math(left, op, right) => {
            let sign = match op {
                MathOp::Add => '+',
                MathOp::Sub => '-',
                MathOp::Mul => '*',
                MathOp::Div => '/',
            };
            format!("({}{sign}{})", shape(left), shape(right))
        }
        ValueKind::Path(path) => path.segments.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join("."),
        other => panic!("{other:?}"),
    }
}

#[test]
fn operators_bind_as_the_grammar_says() {
    for (text, expected) in [
        ("1 + 2 * 3", "(1+(2*3))"),
        ("(1 + 2) * 3", "((1+2)*3)"),
        ("10 - 4 - 3", "((10-4)-3)"),
        ("5 -3", "(5-3)"),
        ("5 - -3", "(5--3)"),
        ("-7 / 2", "(-7/2)"),
        ("-(1 + x) * 2.5e3", "((-(1+x))*2500.0)"),
        ("1. + .5", "(1.0+0.5)"),
        ("a.b", "a.b"),
    ] {
        assert_eq!(shape(&value(text)), expected, "{text}");
    }
    let condition = parse::condition("not a == 1 and b == 2 or c == 3").unwrap();
    let Boolean::Or(operands) = condition else { panic!("or binds loosest") };
    let Boolean::And(operands) = &operands[0] else { panic!("then and") };
    assert!(matches!(operands[0], Boolean::Not(_)));
}

#[test]
fn a_parenthesis_holds_a_condition_or_a_value() {
    for text in [
        "((true))",
        "(a == 1)",
        "(a) == 1",
        "((a + 1) * 2 == 4)",
        "(IsMatch(a, \"b\"))",
        "not (true or b == (2))",
    ] {
        parse::condition(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn statements_have_an_editor_and_may_have_a_condition() {
    let text = "set(attributes[\"a\"][1], Concat([\"x\", nil], delimiter=\"-\")[\"k\"]) where name == 0x00fF";
    let statement = parse::statement(text).unwrap();
    assert_eq!((statement.editor.name.as_str(), statement.editor.arguments.len()), ("set", 2));
    let Some(Boolean::Comparison(comparison)) = statement.condition else { panic!("a comparison") };
    assert_eq!(comparison.op, CompareOp::Eq);
    assert_eq!(comparison.right.kind, ValueKind::Bytes(vec![0, 255]));
    parse::statement("replace_match(a, \"s*\", \"x\", SHA256)").unwrap();
    parse::statement("merge({\"a\": 1 \"b\": [2, {}],})").unwrap();
    for (text, offset, message) in [
        ("Set(a, 1)", 0, "lower case"),
        ("set(a, 1)[\"b\"]", 10, "cannot be indexed"),
        ("set(a, 1", 8, "unexpected the end"),
        ("set(name, set(a, 1))", 10, "set is an editor"),
        ("set(a, 'x')", 7, "double quotes"),
        ("set(a, \"x\" + \"y\")", 11, "unexpected an arithmetic operator"),
        ("set(a, -9223372036854775808)", 8, "does not fit"),
        ("set(a, (i, v) => v)", 14, "lambdas"),
        ("set(a, IsMatch(name, \"a\\.b\"))", 23, "unknown escape \\."),
        ("set(a, 0x123)", 7, "pairs of hexadecimal digits"),
        ("set(a, \"x)", 7, "closing quote"),
    ] {
        let error = parse::statement(text).unwrap_err();
        assert_eq!(error.offset, offset, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
    }
}

#[test]
fn a_syntax_error_stands_where_it_is() {
    for (text, at, message) in [
        ("name = \"a\"", 6, "unexpected '='"),
        ("is_monotonic", 13, "unexpected the end"),
        ("name == \"a\" and", 16, "unexpected the end"),
        ("(name == \"a\"", 13, "unexpected the end"),
        ("name == \"a\" or or", 16, "unexpected \"or\""),
        ("not not true", 5, "unexpected \"not\""),
        ("name == \"a\" AND true", 13, "unexpected \"AND\""),
        ("name == $", 9, "unexpected '$'"),
    ] {
        let (column, said) = column(text, Context::Metric);
        assert_eq!(column, at, "{text}: {said}");
        assert!(said.contains(message), "{text}: {said}");
    }
    let nested = format!("{}true{}", "(".repeat(100), ")".repeat(100));
    assert!(column(&nested, Context::Metric).1.contains("nested deeper"));
    assert!(column(&"x".repeat(20_000), Context::Metric).1.contains("longer than"));
}

#[test]
fn unknown_names_are_reported_with_the_nearest_known_one() {
    for (text, context, at, suggestion) in [
        ("nam == \"a\"", Context::Metric, 1, "name"),
        ("value_in == 1", Context::DataPoint, 1, "value_int"),
        ("metric.nam == \"a\"", Context::DataPoint, 8, "metric.name"),
        ("type == METRIC_DATA_TYPE_GUAGE", Context::Metric, 9, "METRIC_DATA_TYPE_GAUGE"),
        ("IsMtach(name, \"a\")", Context::Metric, 1, "IsMatch"),
        ("IsMatch(name, patern=\"a\")", Context::Metric, 15, "pattern"),
    ] {
        let problem = refused(text, context, Style::Either);
        assert_eq!(problem.location.column, at, "{text}");
        assert_eq!(problem.suggestion.as_deref(), Some(suggestion), "{text}");
    }
}

#[test]
fn what_is_ottl_but_not_run_is_said_to_be_so() {
    for text in ["UUID() == name", "GetXML(name, \"a\") == \"b\"", "UserAgent(name) == nil"] {
        let message = refused(text, Context::Metric, Style::Either).message;
        assert!(message.contains("Phoenix"), "{text}: {message}");
    }
}

#[test]
fn every_mistake_of_a_condition_is_reported() {
    let text = located("nam == \"a\" and Uppercase(unit) == \"B\" or typ == 1");
    let problems =
        Condition::compile(&text, Context::Metric, Style::Either, &mut Allowance::new()).unwrap_err();
    let columns: Vec<u32> = problems.iter().map(|problem| problem.location.column).collect();
    assert_eq!(columns, [1, 16, 42]);
}

#[test]
fn arguments_are_checked_when_the_config_is_read() {
    for (text, message) in [
        ("IsMatch(name)", "was given 1 arguments"),
        ("IsMatch(name, \"a\", \"b\")", "was given 3 arguments"),
        ("IsMatch(name, \"a(\")", "no regular expression"),
        ("IsMatch(pattern=\"a\", name)", "without a name after"),
        ("IsMatch(name, target=name)", "given twice"),
        ("Double(\"text\") == 1.0", "must be a number"),
        ("HasPrefix(5, \"a\")", "must be a text"),
        ("Substring(name, 1.5, 2) == \"a\"", "must be an integer"),
        ("Concat(name, \"a\") == \"b\"", "must be a list"),
        ("name[\"a\"] == 1", "cannot be indexed"),
        ("IsMatch(name, IsString)", "takes no function"),
    ] {
        let problem = refused(text, Context::Metric, Style::Either);
        assert!(problem.message.contains(message), "{text}: {problem:?}");
    }
}

#[test]
fn paths_begin_with_a_context_where_they_must() {
    let compile = |text: &str, context, style| {
        Condition::compile(&located(text), context, style, &mut Allowance::new())
    };
    for (text, context, style) in [
        ("name == \"a\"", Context::Metric, Style::Either),
        ("metric.name == \"a\"", Context::Metric, Style::Either),
        ("metric.name == \"a\"", Context::DataPoint, Style::Either),
        ("metric.name == \"a\"", Context::Metric, Style::Named),
        ("metric.name == name", Context::Metric, Style::Either),
        ("instrumentation_scope.name == \"a\"", Context::Metric, Style::Named),
    ] {
        assert!(compile(text, context, style).is_ok(), "{text}");
    }
    for (text, context, style, message) in [
        ("name == \"a\"", Context::Metric, Style::Named, "does not begin with the name of a context"),
        ("instrumentation_scope.name == \"a\"", Context::Scope, Style::Named, "is no path where the context"),
        ("datapoint.value_int == 0", Context::Metric, Style::Either, "no datapoint is seen"),
        ("HasAttrKeyOnDatapoint(\"a\")", Context::DataPoint, Style::Either, "no function of a datapoint"),
        ("flags == FLAG_NONE", Context::Metric, Style::Either, "unknown path"),
    ] {
        let problems = compile(text, context, style).unwrap_err();
        assert!(problems[0].message.contains(message), "{text}: {problems:?}");
    }
}

#[test]
fn a_context_is_inferred_from_the_narrowest_path_and_what_is_used() {
    let infer = |texts: &[&str]| {
        Context::infer(&texts.iter().map(|text| located(text)).collect::<Vec<_>>(), &mut Allowance::new())
    };
    for (texts, context) in [
        (&["resource.attributes[\"a\"] == 1"][..], Context::Resource),
        (&["metric.name == \"a\"", "resource.schema_url == \"\""][..], Context::Metric),
        (&["resource.attributes[\"a\"] == 1 or datapoint.value_int > 3"][..], Context::DataPoint),
        (&["HasAttrKeyOnDatapoint(\"a\") and resource.schema_url == \"\""][..], Context::Metric),
        (&["IsMatch(Concat([scope.name], \"\"), \"a\")"][..], Context::Scope),
    ] {
        assert_eq!(infer(texts).unwrap(), context, "{texts:?}");
    }
    assert!(infer(&["true"]).unwrap_err()[0].message.contains("no path to infer"));
    let both = infer(&["HasAttrKeyOnDatapoint(\"a\") and datapoint.value_int == 1"]).unwrap_err();
    assert!(both[0].message.contains("no context knows"));
}

#[test]
fn a_condition_knows_how_often_it_has_to_be_asked() {
    for (text, level) in [
        ("true", Level::Constant),
        ("resource.attributes[\"a\"] == 1", Level::Resource),
        ("IsMatch(scope.name, \"a\") or resource.schema_url == \"\"", Level::Scope),
        ("metric.name == \"a\"", Level::Metric),
        ("resource.attributes[metric.name] != nil", Level::Metric),
        ("metric.name == \"a\" and value_int == 1", Level::DataPoint),
        ("value_int == 1 or true", Level::Constant),
    ] {
        let condition =
            Condition::compile(&located(text), Context::DataPoint, Style::Either, &mut Allowance::new())
                .unwrap();
        assert_eq!(condition.level(), level, "{text}");
    }
}

#[test]
fn a_pattern_that_the_data_may_bring_takes_its_room_once_a_pipeline_and_is_refused_where_there_is_none() {
    let brought = |allowance: &mut Allowance| {
        let text = located("IsMatch(metric.name, resource.attributes[\"pattern\"])");
        Condition::compile(&text, Context::Metric, Style::Named, allowance).map(drop)
    };
    let mut allowance = Allowance::new();
    for _ in 0..100 {
        brought(&mut allowance).expect("all of them together take it once");
    }
    let mut full = Allowance::new();
    let large =
        |at: usize| located(&format!("IsMatch(metric.name, \"{at}{}\")", "[a-y]{1,200}[b-z]".repeat(8)));
    let mut fill = |at| Condition::compile(&large(at), Context::Metric, Style::Named, &mut full).is_ok();
    let filled = (0..1_000).take_while(|at| fill(*at)).count();
    assert!(filled > 0, "some fit");
    let refused = brought(&mut full).expect_err("there is no room")[0].message.clone();
    assert!(
        refused.contains("takes patterns from the data") || refused.contains("past a limit"),
        "{refused}"
    );
}

#[test]
fn patterns_mean_what_they_mean_in_go() {
    for (pattern, text, matches) in [
        (r"^\w+$", "été", false),
        (r"^[\w.]+$", "a.b_1", true),
        (r"\d", "٣", false),
        (r"^\D$", "٣", true),
        (r"\bcpu\b", "écpu", true),
        (r"a{", "a{", true),
        (r"^a{2,3}$", "aaa", true),
        (r"[[a]", "[", true),
        (r"^[a&&b]$", "&", true),
        (r"^[]a]$", "]", true),
        (r"^[^]a]$", "b", true),
        (r"^\Qa.b\E$", "a.b", true),
        (r"^\Qa.b\E$", "axb", false),
        (r"^\101\x41\x{42}$", "AAB", true),
        (r"(?i)ABC", "xabcx", true),
        (r"^[[:alpha:]]+$", "abc", true),
        (r"\p{^Greek}", "a", true),
        (r"^(?P<a>x)(?<b>y)$", "xy", true),
        ("a.b", "a\nb", false),
        ("", "", true),
    ] {
        let compiled =
            Pattern::new(pattern, &mut Allowance::new()).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(compiled.is_match(text.as_bytes()), matches, "{pattern} on {text:?}");
    }
    for pattern in ["a(", "a[", r"\1", "a**", "a{1001}", r"\y", "(?x)a", "(?=a)", r"\", "a{2}{3}", "*"] {
        assert!(Pattern::new(pattern, &mut Allowance::new()).is_err(), "{pattern}");
    }
    assert!(
        Pattern::new("((a{1000}){1000}){1000}", &mut Allowance::new())
            .unwrap_err()
            .to_string()
            .contains("too much")
    );
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "[a-zA-Z0-9_.,:=!<>+*/(){}\\[\\]\"\\\\ \n'$é-]{0,120}") {
        let _ = parse::statement(&text);
        if let Err(error) = parse::condition(&text) {
            prop_assert!(error.offset <= text.len());
        }
    }

    #[test]
    fn compiling_words_of_the_language_never_panics(words in prop::collection::vec(prop::sample::select(vec![
        "and", "or", "not", "(", ")", "==", "<", "+", "-", "*", "/", "true", "nil", "1", "2.5", "\"a\"", "[", "]",
        "name", "attributes", ".", ",", "IsMatch", "Len", "Concat", "0x01", "{", "}", ":", "resource", "metric",
    ]), 0..25)) {
        let text = located(&words.join(" "));
        for context in Context::ALL {
            if let Err(problems) = Condition::compile(&text, context, Style::Either, &mut Allowance::new()) {
                prop_assert!(!problems.is_empty());
            }
        }
    }

    #[test]
    fn compiling_patterns_never_panics(pattern in "[a-zA-Z0-9?*+(){}\\[\\]^$|.\\\\:&~<>,-]{0,30}") {
        let _ = Pattern::new(&pattern, &mut Allowance::new());
    }
}
