//! `match_type: expr`: conditions in the small language of before OTTL, asked about each data point.
//!
//! It knows the metric's name and type and the point's labels; of the language around them this runs what says
//! something about those. The rest, and what could only fail, is refused by name when the config is read.

use crate::batch::{MetricKind, PointRow, Value};
use crate::cost::Allowance;
use crate::ottl::{Pattern, Row};
use crate::yaml::{Located, Problem};

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 16 << 10;
/// Depth to which an expression may be nested.
const MAX_DEPTH: usize = 64;

/// An expression that is true or false of a data point.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    Literal(bool),
    HasLabel(Text),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Equal(Text, Text),
    Before(Text, Text),
    In(Text, Vec<Text>),
    Matches(Text, Pattern),
    Contains(Text, Text),
    StartsWith(Text, Text),
    EndsWith(Text, Text),
}

/// An expression that is a text.
#[derive(Debug, Clone)]
pub(super) enum Text {
    Literal(String),
    MetricName,
    MetricType,
    Label(Box<Text>),
}

impl Expression {
    pub(super) fn compile(text: &Located, allowance: &mut Allowance) -> Result<Self, Problem> {
        allowance.statement().map_err(|message| problem(text, 0, &message))?;
        if text.text().len() > MAX_LENGTH {
            return Err(problem(text, 0, &format!("an expression longer than {MAX_LENGTH} bytes")));
        }
        let tokens = tokens(text)?;
        let mut parser = Parser { text, allowance, tokens: &tokens, next: 0, depth: 0 };
        let whole = parser.either()?;
        match parser.peek() {
            Token::End => Ok(whole),
            _ => Err(parser.unexpected("and, or, or the end")),
        }
    }

    /// Returns whether it is true of any point of the row's metric.
    pub(super) fn holds(&self, row: &Row<'_>) -> bool {
        let points = row.metric.map(|metric| row.batch.points(metric)).unwrap_or_default();
        points.iter().any(|point| self.is_true(row, point))
    }

    fn is_true<'a>(&'a self, row: &Row<'a>, point: &PointRow) -> bool {
        let text = |text: &'a Text| text.read(row, point);
        match self {
            Self::Literal(bit) => *bit,
            Self::HasLabel(key) => row.batch.attribute(point.attrs, &text(key)).is_some(),
            Self::Not(inner) => !inner.is_true(row, point),
            Self::All(operands) => operands.iter().all(|operand| operand.is_true(row, point)),
            Self::Any(operands) => operands.iter().any(|operand| operand.is_true(row, point)),
            Self::Equal(a, b) => text(a) == text(b),
            Self::Before(a, b) => text(a) < text(b),
            Self::In(a, list) => list.iter().any(|item| text(item) == text(a)),
            Self::Matches(a, pattern) => pattern.is_match(&text(a)),
            Self::Contains(a, b) => {
                let (whole, part) = (text(a), text(b));
                part.is_empty() || whole.windows(part.len()).any(|window| window == &*part)
            }
            Self::StartsWith(a, b) => text(a).starts_with(&text(b)),
            Self::EndsWith(a, b) => text(a).ends_with(&text(b)),
        }
    }
}

impl Text {
    fn read<'a>(&'a self, row: &Row<'a>, point: &PointRow) -> std::borrow::Cow<'a, [u8]> {
        let bytes = match self {
            Self::Literal(text) => text.as_bytes(),
            Self::MetricName => row.metric.map(|metric| row.batch.bytes(metric.name)).unwrap_or_default(),
            Self::MetricType => row.metric.map_or("", |metric| kind_name(metric.kind)).as_bytes(),
            Self::Label(key) => match row.batch.attribute(point.attrs, &key.read(row, point)) {
                Some(Value::Text(text)) => text,
                _ => b"",
            },
        };
        bytes.into()
    }
}

fn kind_name(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::None => "None",
        MetricKind::Gauge => "Gauge",
        MetricKind::Sum => "Sum",
        MetricKind::Histogram => "Histogram",
        MetricKind::ExponentialHistogram => "ExponentialHistogram",
        MetricKind::Summary => "Summary",
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
    End,
}

/// Longer signs come before their beginnings.
const SIGNS: [&str; 13] = ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]"];

fn tokens(text: &Located) -> Result<Vec<(usize, Token)>, Problem> {
    let whole = text.text();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(first) = whole[at..].chars().next() {
        let rest = &whole[at..];
        let (token, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if matches!(first, '"' | '\'' | '`') {
            literal(rest, first)
                .ok_or_else(|| problem(text, at, "a text that does not end, or an escape unknown here"))?
        } else if first.is_alphabetic() || matches!(first, '_' | '$') {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()).max(1);
            (Token::Word(rest[..end].to_owned()), end)
        } else if first == ',' {
            (Token::Sign(","), 1)
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign =
                sign.ok_or_else(|| problem(text, at, &format!("Phoenix runs no {first:?} in expressions")))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push((at, token));
        at += length;
    }
    tokens.push((at, Token::End));
    Ok(tokens)
}

/// A quoted text and the length of what it is written with.
fn literal(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((Token::Text(out), at + 1)),
            '\\' if quote != '`' => out.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                c @ ('\\' | '"' | '\'') => c,
                _ => return None,
            }),
            c => out.push(c),
        }
    }
    None
}

fn problem(text: &Located, at: usize, message: &str) -> Problem {
    Problem::new(text.at(at), message.to_owned())
}

struct Parser<'t> {
    text: &'t Located,
    allowance: &'t mut Allowance,
    tokens: &'t [(usize, Token)],
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn unexpected(&self, expected: &str) -> Problem {
        let at = self.tokens.get(self.next).map_or(0, |(at, _)| *at);
        problem(self.text, at, "what Phoenix runs of expressions ends here").expected(expected)
    }

    /// Takes a sign or a word that is one.
    fn takes(&mut self, signs: &[&str]) -> bool {
        let found = match self.peek() {
            Token::Word(word) => signs.contains(&word.as_str()),
            Token::Sign(sign) => signs.contains(sign),
            _ => false,
        };
        self.next += usize::from(found);
        found
    }

    fn needs(&mut self, sign: &str) -> Result<(), Problem> {
        if self.takes(&[sign]) { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    fn either(&mut self) -> Result<Expression, Problem> {
        let mut operands = vec![self.both()?];
        while self.takes(&["or", "||"]) {
            operands.push(self.both()?);
        }
        Ok(if operands.len() == 1 { operands.remove(0) } else { Expression::Any(operands) })
    }

    fn both(&mut self) -> Result<Expression, Problem> {
        let mut operands = vec![self.single()?];
        while self.takes(&["and", "&&"]) {
            operands.push(self.single()?);
        }
        Ok(if operands.len() == 1 { operands.remove(0) } else { Expression::All(operands) })
    }

    fn single(&mut self) -> Result<Expression, Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unexpected("an expression nested less deeply"));
        }
        let single = self.nested();
        self.depth -= 1;
        single
    }

    fn nested(&mut self) -> Result<Expression, Problem> {
        if self.takes(&["not", "!"]) {
            return Ok(Expression::Not(Box::new(self.single()?)));
        }
        if self.takes(&["("]) {
            let inner = self.either()?;
            self.needs(")")?;
            return Ok(inner);
        }
        if self.takes(&["true"]) {
            return Ok(Expression::Literal(true));
        }
        if self.takes(&["false"]) {
            return Ok(Expression::Literal(false));
        }
        if self.takes(&["HasLabel"]) {
            return Ok(Expression::HasLabel(self.argument()?));
        }
        let left = self.text()?;
        self.comparison(left)
    }

    fn comparison(&mut self, left: Text) -> Result<Expression, Problem> {
        let not = |expression| Expression::Not(Box::new(expression));
        if self.takes(&["not"]) {
            // `a not in b`
            return Ok(not(self.named(left)?));
        }
        if self.takes(&["=="]) {
            return Ok(Expression::Equal(left, self.text()?));
        }
        if self.takes(&["!="]) {
            return Ok(not(Expression::Equal(left, self.text()?)));
        }
        if self.takes(&["<"]) {
            return Ok(Expression::Before(left, self.text()?));
        }
        if self.takes(&[">="]) {
            return Ok(not(Expression::Before(left, self.text()?)));
        }
        if self.takes(&[">"]) {
            return Ok(Expression::Before(self.text()?, left));
        }
        if self.takes(&["<="]) {
            return Ok(not(Expression::Before(self.text()?, left)));
        }
        self.named(left)
    }

    /// The comparisons that are words.
    fn named(&mut self, left: Text) -> Result<Expression, Problem> {
        if self.takes(&["in"]) {
            return Ok(Expression::In(left, self.list()?));
        }
        if self.takes(&["contains"]) {
            return Ok(Expression::Contains(left, self.text()?));
        }
        if self.takes(&["startsWith"]) {
            return Ok(Expression::StartsWith(left, self.text()?));
        }
        if self.takes(&["endsWith"]) {
            return Ok(Expression::EndsWith(left, self.text()?));
        }
        if self.takes(&["matches"]) {
            let at = self.tokens.get(self.next).map_or(0, |(at, _)| *at);
            let Text::Literal(pattern) = self.text()? else {
                return Err(problem(self.text, at, "a pattern that the data brings"));
            };
            let pattern = Pattern::new(&pattern, self.allowance)
                .map_err(|why| problem(self.text, at, &why.to_string()))?;
            return Ok(Expression::Matches(left, pattern));
        }
        Err(self.unexpected("a comparison"))
    }

    fn list(&mut self) -> Result<Vec<Text>, Problem> {
        self.needs("[")?;
        let mut items = Vec::new();
        while !self.takes(&["]"]) {
            items.push(self.text()?);
            if !self.takes(&[","]) {
                self.needs("]")?;
                break;
            }
        }
        Ok(items)
    }

    fn argument(&mut self) -> Result<Text, Problem> {
        self.needs("(")?;
        let argument = self.text()?;
        self.needs(")")?;
        Ok(argument)
    }

    fn text(&mut self) -> Result<Text, Problem> {
        let text = match self.peek() {
            Token::Text(text) => Text::Literal(text.clone()),
            Token::Word(word) if word == "MetricName" => Text::MetricName,
            Token::Word(word) if word == "MetricType" => Text::MetricType,
            Token::Word(word) if word == "Label" => {
                self.next += 1;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.unexpected("an expression nested less deeply"));
                }
                let label = Text::Label(Box::new(self.argument()?));
                self.depth -= 1;
                return Ok(label);
            }
            _ => return Err(self.unexpected("MetricName, MetricType, Label(…), HasLabel(…) or a text")),
        };
        self.next += 1;
        Ok(text)
    }
}
