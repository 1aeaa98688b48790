//! Nasty configs, by a seed: a few kilobytes that could take gigabytes or hours, in every place that a config has.

/// A config of this seed: one of the kinds, of a size that is drawn too.
pub fn config(seed: u64) -> String {
    let mut dice = Dice::of(seed);
    let (_, make) = KINDS[dice.below(KINDS.len())];
    let size = dice.size();
    make(&mut dice, size)
}

/// A kind of nasty configs: its name, and what makes one of a size.
pub type Kind = (&'static str, fn(&mut Dice, usize) -> String);

/// The kinds of nasty configs, each with what makes one of a size.
pub const KINDS: &[Kind] = &[
    ("nested lists", |_, n| format!("processors: {}", "[".repeat(n))),
    ("nested maps", |_, n| "? ".repeat(n)),
    ("nested blocks", |_, n| (0..n.min(1_000)).map(|level| format!("{}a:\n", " ".repeat(level))).collect()),
    ("aliases of aliases", aliases),
    ("anchors in anchors", |_, n| {
        let items = "a,".repeat(n);
        format!("{}[{items}]{}", "[&x ".repeat(60), "]".repeat(60))
    }),
    ("merges", |_, n| {
        format!(
            "a: &a {{ {} }}\nb: [{}]",
            many(n, |i| format!("k{i}: 1")),
            many(n, |_| "{<<: *a}".to_owned())
        )
    }),
    ("one long text", |dice, n| transform(&[format!("set(name, \"{}\")", dice.text(n))])),
    ("dollar signs", |_, n| format!("phoenix: \"{}\"", "$$".repeat(n))),
    ("variables", |dice, n| {
        format!("phoenix: \"{}\"", many(n, |i| format!("${{V{}:-x}}", i % (1 + dice.below(n)))))
    }),
    ("one variable many times", |_, n| format!("phoenix: \"{}\"", "${BIG} ".repeat(n))),
    ("variables in variables", |_, n| format!("phoenix: {}x{}", "${A:-".repeat(n), "}".repeat(n))),
    ("many keys", |dice, n| {
        format!("processors: {{ filter: {{ {} }} }}", many(n, |i| format!("{}{i}: 1", dice.word())))
    }),
    ("long keys", |_, n| format!("{}: 1\n{}: 2", "k".repeat(n), "l".repeat(n))),
    ("many components", |_, n| {
        let defined = many(n, |i| format!("filter/{i}: {{}}"));
        let named = many(n, |i| format!("filtre/{i}"));
        format!(
            "processors: {{ {defined} }}\nservice: {{ pipelines: {{ metrics: {{ processors: [{named}] }} }} }}"
        )
    }),
    ("many pipelines", |_, n| {
        let pipelines = many(n, |i| format!("metrics/{i}: {{ processors: [transform] }}"));
        let statements = many(50, |i| format!("'set(name, \"{i}\")'"));
        format!(
            "processors: {{ transform: {{ metric_statements: [{{ context: metric, statements: [{statements}] }}] }} }}\n\
             service: {{ pipelines: {{ {pipelines} }} }}"
        )
    }),
    ("many statements", |dice, n| {
        let statements: Vec<String> =
            (0..n).map(|i| format!("replace_pattern(name, \"{}{i}\", \"x\")", dice.word())).collect();
        transform(&statements)
    }),
    ("unknown words", |dice, n| {
        let statements: Vec<String> =
            (0..n).map(|_| format!("{}({}, {})", dice.word(), dice.word(), dice.word())).collect();
        transform(&statements)
    }),
    ("one long statement", |dice, n| {
        let joined = ["+", "*", " and ", " or "][dice.below(4)];
        let operand = if joined.len() == 1 { "1" } else { "name == \"a\"" };
        let whole = vec![operand; n].join(joined);
        let wrapped = if joined.len() == 1 { format!("1 == {whole}") } else { whole };
        filter(&format!("metric: ['{wrapped}']"))
    }),
    ("parentheses", |dice, n| {
        let depth = 1 + dice.below(60);
        let inner = vec!["name == \"a\""; 1 + n.min(10_000) / 20].join(" and ");
        let one = format!("{}{inner}{}", "(".repeat(depth), ")".repeat(depth));
        filter(&format!("metric: [{}]", many(1 + n / one.len(), |_| format!("'{one}'"))))
    }),
    ("nested calls", |_, n| {
        transform(&[format!("set(name, {}name{})", "ToLowerCase(".repeat(n), ")".repeat(n))])
    }),
    ("a list in a statement", |_, n| transform(&[format!("set(name, [{}])", many(n, |i| i.to_string()))])),
    ("an old expression", |dice, n| {
        let joined = [" or ", " and "][dice.below(2)];
        let whole = vec!["HasLabel(\"a\")"; n].join(joined);
        filter(&format!(
            "include: {{ match_type: expr, expressions: ['{whole}', '{}true'] }}",
            "!(".repeat(n)
        ))
    }),
    ("value actions", |_, n| {
        let values = many(n, |i| format!("{{ value: v{i}, new_value: w }}"));
        processor(
            "metricstransform",
            &format!(
                "transforms: [{{ include: a, action: update, operations: [{{ action: update_label, label: l, \
                 value_actions: [{values}] }}] }}]"
            ),
        )
    }),
    ("patterns in statements", |dice, n| {
        let statements: Vec<String> = (0..n.min(5_000))
            .map(|i| format!("replace_pattern(name, \"{}{i}\", \"x\")", dice.pattern(n).replace('\\', r"\\")))
            .collect();
        transform(&statements)
    }),
    ("patterns in lists", |dice, n| {
        let patterns: Vec<String> = (0..1 + n / 64).map(|i| format!("'{}{i}'", dice.pattern(n))).collect();
        filter(&format!("exclude: {{ match_type: regexp, metric_names: [{}] }}", patterns.join(", ")))
    }),
    ("patterns of transforms", |dice, n| {
        let transforms = (0..1 + n / 64).map(|i| {
            format!(
                "{{ include: '{}{i}', match_type: regexp, action: update, new_name: a }}",
                dice.pattern(n)
            )
        });
        processor("metricstransform", &format!("transforms: [{}]", transforms.collect::<Vec<_>>().join(", ")))
    }),
    ("patterns of classes", |dice, n| {
        let patterns: Vec<String> = (0..1 + n / 64).map(|i| format!("'{}{i}'", dice.pattern(n))).collect();
        processor("priority", &format!("classes: [{{ name: a, patterns: [{}] }}]", patterns.join(", ")))
    }),
    ("patterns that compile", |dice, n| {
        let piece = COSTLY[dice.below(COSTLY.len())];
        let patterns = many(n.min(8_000), |i| format!("'{piece}{i}'"));
        filter(&format!("exclude: {{ match_type: regexp, metric_names: [{patterns}] }}"))
    }),
    ("one long pattern", |dice, n| {
        let piece = PIECES[dice.below(PIECES.len())];
        let long = piece.repeat(n / piece.len() + 1);
        filter(&format!("exclude: {{ match_type: regexp, metric_names: ['{long}', '(?i){long}'] }}"))
    }),
    ("one large class", |dice, n| {
        let members: String =
            (0..n).map(|_| char::from_u32(0x4e00 + 2 * dice.below(10_000) as u32).unwrap_or('x')).collect();
        filter(&format!(
            "exclude: {{ match_type: regexp, metric_names: ['[{members}]', '(?i)[{members}]'] }}"
        ))
    }),
    ("globs", |_, n| {
        transform(&[
            format!("replace_match(name, \"{}\", \"x\")", "{a,".repeat(n) + &"}".repeat(n)),
            format!("replace_match(name, \"{}\", \"x\")", "[a-z]*".repeat(n)),
        ])
    }),
    ("grok", |dice, n| {
        let own = ["A=%{A}", "A=%{A}%{A}", "A=", "A=%{URI}"][dice.below(4)];
        let pattern = ["%{A}", "%{URI}", "%{SYSLOGBASE}", "%{ "][dice.below(4)].repeat(1 + n / 8);
        transform(&[format!(
            "merge_maps(attributes, ExtractGrokPatterns(name, \"{pattern}\", true, [\"{own}\"]), \"upsert\")"
        )])
    }),
    ("numbers without an end", |_, n| {
        processor(
            "topk",
            &format!("k: {}, by: [a], stay: 99999999h, stale_after: 1ns", "9".repeat(1 + n % 18)),
        )
    }),
    ("a constant", |_, n| {
        let nested = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        let values = many(n, |_| nested.clone());
        processor("attributes", &format!("actions: [{{ key: a, action: upsert, value: [{values}] }}]"))
    }),
];

fn aliases(dice: &mut Dice, n: usize) -> String {
    let each = 2 + dice.below(20);
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..=n.min(50) {
        let below = many(each, |_| format!("*a{}", level - 1));
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    text
}

/// Pieces of patterns, each of which costs something.
const PIECES: &[&str] = &[
    "(a{1000}){1000}",
    "[a-z]{1000}",
    "\\p{L}",
    "(?i)\\p{L}",
    "()",
    "(a|b)",
    "(",
    "[",
    "{",
    "[[:",
    "(?i)[!-\u{10ffff}]",
    "[^a]*",
    ".{0,500}",
    "a|",
    "(a*)*",
    "\\pL{100}",
    "(?P<a>.)",
    "\\Qa\\E",
    "\\w\\W",
    "x{1,1000}?",
    "ſK",
    "(?:){1000}",
    "\\b",
    "^$",
];

/// Patterns that are right, and cost much.
const COSTLY: &[&str] = &[
    "(a{1000}){40}",
    "[a-z]{1000}",
    "\\p{L}{10}",
    "(?i:\\p{L})",
    "(?i:[\\p{L}\\p{N}_-]{20})",
    ".{0,500}",
    "(?:(a)|(b)){50}",
    "(?:\\p{L}\\p{N}){20}",
    "(.*)-(.*)-(.*)",
    "[^a]{100}",
    "\\P{Greek}+",
    "((((a{10}){10}){10}){10}){3}",
    "(()){500}",
    "(?:a?){500}a{500}",
    "(?i:kelvin|ſ){100}",
];

/// A source of numbers that a seed settles.
pub struct Dice(u64);

impl Dice {
    /// The numbers of a seed.
    pub fn of(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    /// A size from 1 to a quarter of a million; small ones are as likely as large ones.
    fn size(&mut self) -> usize {
        let bits = self.below(18);
        (1 << bits) + self.below(1 << bits)
    }

    fn word(&mut self) -> String {
        (0..1 + self.below(12)).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    fn text(&mut self, length: usize) -> String {
        let all = ["x", "é", "\\n", " ", "日", "'"];
        (0..length).map(|_| all[self.below(all.len())]).collect()
    }

    /// A pattern of a few pieces.
    fn pattern(&mut self, length: usize) -> String {
        (0..1 + self.below(1 + length.min(40))).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }
}

fn many(n: usize, mut one: impl FnMut(usize) -> String) -> String {
    (0..n).map(&mut one).collect::<Vec<_>>().join(", ")
}

fn processor(kind: &str, config: &str) -> String {
    format!(
        "processors: {{ {kind}: {{ {config} }} }}\nservice: {{ pipelines: {{ metrics: {{ processors: [{kind}] }} }} }}\n"
    )
}

fn filter(metrics: &str) -> String {
    processor("filter", &format!("metrics: {{ {metrics} }}"))
}

fn transform(statements: &[String]) -> String {
    let quoted: Vec<String> =
        statements.iter().map(|text| format!("'{}'", text.replace('\'', "''"))).collect();
    processor(
        "transform",
        &format!("metric_statements: [{{ context: metric, statements: [{}] }}]", quoted.join(", ")),
    )
}
