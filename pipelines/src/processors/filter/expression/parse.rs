//! Expressions parsed, with the language's precedences.

use crate::cost::Allowance;
use crate::ottl::Pattern;
use crate::yaml::{Located, Problem};

use super::function::Function;
use super::token::{Token, problem, tokens};
use super::value::Kind;
use super::{Expression, Literal, Operator};

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 16 << 10;
/// Depth to which an expression may be nested, parentheses and operators together.
const MAX_DEPTH: usize = 128;
/// Precedence of `not` and `!`: they bind more tightly than comparisons.
const NOT: u8 = 50;
/// Precedence of a sign before a number.
const SIGNED: u8 = 90;

/// Meaning of a sign or word between two expressions.
#[derive(Clone, Copy)]
enum Infix {
    Either,
    Both,
    Otherwise,
    Matches,
    Operator(Operator),
}

/// Signs and words between two expressions, with their precedences.
const INFIX: [(&str, u8, Infix); 24] = [
    ("or", 10, Infix::Either),
    ("||", 10, Infix::Either),
    ("and", 15, Infix::Both),
    ("&&", 15, Infix::Both),
    ("==", 20, Infix::Operator(Operator::Equal)),
    ("!=", 20, Infix::Operator(Operator::NotEqual)),
    ("<", 20, Infix::Operator(Operator::Less)),
    ("<=", 20, Infix::Operator(Operator::LessOrEqual)),
    (">", 20, Infix::Operator(Operator::Greater)),
    (">=", 20, Infix::Operator(Operator::GreaterOrEqual)),
    ("in", 20, Infix::Operator(Operator::In)),
    ("matches", 20, Infix::Matches),
    ("contains", 20, Infix::Operator(Operator::Contains)),
    ("startsWith", 20, Infix::Operator(Operator::StartsWith)),
    ("endsWith", 20, Infix::Operator(Operator::EndsWith)),
    ("+", 30, Infix::Operator(Operator::Add)),
    ("-", 30, Infix::Operator(Operator::Subtract)),
    ("*", 60, Infix::Operator(Operator::Multiply)),
    ("/", 60, Infix::Operator(Operator::Divide)),
    ("%", 60, Infix::Operator(Operator::Remainder)),
    ("**", 100, Infix::Operator(Operator::Power)),
    ("^", 100, Infix::Operator(Operator::Power)),
    ("??", 200, Infix::Otherwise),
    ("not", 20, Infix::Operator(Operator::In)),
];

impl Expression {
    /// Reads an expression that is true or false.
    pub(in super::super) fn compile(text: &Located, allowance: &mut Allowance) -> Result<Self, Problem> {
        allowance.statement().map_err(|message| problem(text, 0, &message))?;
        if text.text().len() > MAX_LENGTH {
            return Err(problem(text, 0, &format!("an expression longer than {MAX_LENGTH} bytes")));
        }
        let tokens = tokens(text)?;
        let mut parser = Parser { text, allowance, tokens: &tokens, next: 0, depth: 0 };
        let whole = parser.choice()?;
        if *parser.peek() != Token::End {
            return Err(parser.unexpected("an operator, or the end"));
        }
        parser.needs_kind(&whole, 0, Kind::Bool)?;
        Ok(whole)
    }
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

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |(at, _)| *at)
    }

    fn unexpected(&self, expected: &str) -> Problem {
        problem(self.text, self.at(), "what Phoenix runs of expressions ends here").expected(expected)
    }

    /// Refuses what could only fail, whatever the data.
    fn needs_kind(&self, of: &Expression, at: usize, kind: Kind) -> Result<(), Problem> {
        if of.kind().is_none_or(|known| known == kind) {
            return Ok(());
        }
        let (message, expected) = match kind {
            Kind::Text => ("no text stands here", "MetricName, MetricType, Label(…) or a text"),
            _ => ("neither true nor false stands here", "a comparison or HasLabel(…)"),
        };
        Err(problem(self.text, at, message).expected(expected))
    }

    /// Takes a sign or a word that is one.
    fn takes(&mut self, sign: &str) -> bool {
        let found = self.is_at(sign);
        self.next += usize::from(found);
        found
    }

    fn is_at(&self, sign: &str) -> bool {
        match self.peek() {
            Token::Word(word) => word == sign,
            Token::Sign(found) => *found == sign,
            _ => false,
        }
    }

    fn needs(&mut self, sign: &str) -> Result<(), Problem> {
        if self.takes(sign) { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unexpected("an expression nested less deeply"));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// An expression with its `? :`.
    fn choice(&mut self) -> Result<Expression, Problem> {
        self.deeper(|parser| {
            let at = parser.at();
            let condition = parser.binary(0)?;
            if !parser.takes("?") {
                return Ok(condition);
            }
            parser.needs_kind(&condition, at, Kind::Bool)?;
            let then = parser.choice()?;
            parser.needs(":")?;
            Ok(Expression::Choice(Box::new([condition, then, parser.choice()?])))
        })
    }

    /// Operands with the operators between them that bind at least so tightly.
    fn binary(&mut self, least: u8) -> Result<Expression, Problem> {
        let begin = self.at();
        let mut left = self.deeper(Self::operand)?;
        let mut operators = 0;
        while let Some((precedence, infix, negated)) = self.infix(least) {
            // Those of one kind lie side by side; others nest.
            operators += usize::from(!matches!(infix, Infix::Either | Infix::Both));
            if operators > MAX_DEPTH {
                return Err(self.unexpected("fewer operators in a row"));
            }
            left = self.joined(left, begin, (precedence, infix))?;
            if negated {
                left = Expression::Not(Box::new(left));
            }
        }
        Ok(left)
    }

    /// Takes an operator that binds at least so tightly; a word may have `not` before it.
    fn infix(&mut self, least: u8) -> Option<(u8, Infix, bool)> {
        let (word, precedence, infix) = *INFIX.iter().find(|(sign, ..)| self.is_at(sign))?;
        if precedence < least {
            return None;
        }
        if word != "not" {
            self.next += 1;
            return Some((precedence, infix, false));
        }
        let negatable = ["in", "matches", "contains", "startsWith", "endsWith"];
        let named = self.tokens.get(self.next + 1).and_then(|(_, token)| match token {
            Token::Word(word) => negatable.iter().find(|known| *known == word),
            _ => None,
        })?;
        self.next += 2;
        INFIX
            .iter()
            .find(|(sign, ..)| sign == named)
            .map(|(_, precedence, infix)| (*precedence, *infix, true))
    }

    fn joined(
        &mut self,
        left: Expression,
        begin: usize,
        (precedence, infix): (u8, Infix),
    ) -> Result<Expression, Problem> {
        let at = self.at();
        if matches!(infix, Infix::Matches) {
            self.needs_kind(&left, begin, Kind::Text)?;
            let pattern = self.pattern()?;
            return Ok(Expression::Matches(Box::new(left), pattern));
        }
        // Powers go to the right; all else to the left.
        let tighter = precedence + u8::from(precedence != 100);
        let right = self.deeper(|parser| parser.binary(tighter))?;
        match infix {
            Infix::Either | Infix::Both => {
                self.needs_kind(&left, begin, Kind::Bool)?;
                self.needs_kind(&right, at, Kind::Bool)?;
                Ok(match (infix, left) {
                    (Infix::Both, Expression::Both(operands)) => Expression::Both(with(operands, right)),
                    (Infix::Both, left) => Expression::Both(vec![left, right]),
                    (_, Expression::Either(operands)) => Expression::Either(with(operands, right)),
                    (_, left) => Expression::Either(vec![left, right]),
                })
            }
            Infix::Otherwise => Ok(Expression::Otherwise(Box::new([left, right]))),
            Infix::Operator(operator) => {
                if let (Some(one), Some(other)) = (left.kind(), right.kind())
                    && !operator.takes(one, other)
                {
                    let message = "values of these kinds cannot stand on both sides of this operator";
                    return Err(problem(self.text, at, message)
                        .expected("two numbers, two texts, or a list behind in"));
                }
                Ok(Expression::Binary(operator, Box::new([left, right])))
            }
            Infix::Matches => Err(self.unexpected("a pattern")),
        }
    }

    fn pattern(&mut self) -> Result<Pattern, Problem> {
        let at = self.at();
        let Token::Text(pattern) = self.peek().clone() else {
            return Err(
                problem(self.text, at, "a pattern that the data brings").expected("a pattern in quotes")
            );
        };
        self.next += 1;
        Pattern::new(&pattern, self.allowance).map_err(|why| problem(self.text, at, &why.to_string()))
    }

    fn operand(&mut self) -> Result<Expression, Problem> {
        let at = self.at();
        if self.takes("not") || self.takes("!") {
            let inner = self.binary(NOT)?;
            self.needs_kind(&inner, at, Kind::Bool)?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.takes("-") {
            return Ok(Expression::Negative(Box::new(self.binary(SIGNED)?)));
        }
        if self.takes("+") {
            return self.binary(SIGNED);
        }
        if self.takes("(") {
            let inner = self.choice()?;
            self.needs(")")?;
            return Ok(inner);
        }
        if self.takes("[") {
            return Ok(Expression::List(self.arguments("]")?));
        }
        let literal = match self.peek().clone() {
            Token::Text(text) => Literal::Text(text),
            Token::Int(number) => Literal::Int(number),
            Token::Float(number) => Literal::Float(number),
            Token::Word(word) => {
                self.next += 1;
                return self.word(&word, at);
            }
            Token::Sign(_) | Token::End => {
                return Err(
                    self.unexpected("MetricName, MetricType, Label(…), HasLabel(…), a number or a text")
                );
            }
        };
        self.next += 1;
        Ok(Expression::Literal(literal))
    }

    fn word(&mut self, word: &str, at: usize) -> Result<Expression, Problem> {
        let literal = match word {
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            "nil" => Literal::Nil,
            "MetricName" => return Ok(Expression::MetricName),
            "MetricType" => return Ok(Expression::MetricType),
            "Label" => return Ok(Expression::Label(Box::new(self.argument()?))),
            "HasLabel" => return Ok(Expression::HasLabel(Box::new(self.argument()?))),
            other => return self.call(other, at),
        };
        Ok(Expression::Literal(literal))
    }

    fn call(&mut self, name: &str, at: usize) -> Result<Expression, Problem> {
        let Some((_, function, count)) = Function::ALL.into_iter().find(|(known, ..)| *known == name) else {
            let known = Function::ALL.iter().map(|(known, ..)| *known);
            let known = ["MetricName", "MetricType", "Label", "HasLabel"].into_iter().chain(known);
            let found = Problem::unknown(self.text.at(at), "word of expressions", name, known);
            return Err(found);
        };
        self.needs("(")?;
        let arguments = self.arguments(")")?;
        let is_right = match function.takes_more() {
            true => !arguments.is_empty(),
            false => arguments.len() == count,
        };
        if !is_right {
            let message = format!("{name} takes {count}, and {} stand here", arguments.len());
            return Err(problem(self.text, at, &message));
        }
        let is_nil = |argument: &Expression| matches!(argument, Expression::Literal(Literal::Nil));
        if function != Function::Text && arguments.iter().any(is_nil) {
            return Err(problem(self.text, at, &format!("{name} of nil")).expected("a value"));
        }
        let is_none = |argument: &Expression| matches!(argument.kind(), Some(Kind::Text | Kind::Bool));
        if function.is_of_numbers() && arguments.iter().any(is_none) {
            return Err(problem(self.text, at, &format!("{name} of what is no number")).expected("a number"));
        }
        Ok(Expression::Call(function, arguments))
    }

    fn argument(&mut self) -> Result<Expression, Problem> {
        self.needs("(")?;
        let at = self.at();
        let argument = self.choice()?;
        self.needs_kind(&argument, at, Kind::Text)?;
        self.needs(")")?;
        Ok(argument)
    }

    fn arguments(&mut self, close: &str) -> Result<Vec<Expression>, Problem> {
        let mut items = Vec::new();
        while !self.takes(close) {
            items.push(self.choice()?);
            if !self.takes(",") {
                self.needs(close)?;
                break;
            }
        }
        Ok(items)
    }
}

fn with(mut operands: Vec<Expression>, last: Expression) -> Vec<Expression> {
    operands.push(last);
    operands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Batch;
    use crate::batch::Keep;
    use crate::config::CollectorFile;
    use crate::json;
    use crate::processors::Pipeline;
    use crate::yaml::Location;

    fn compile(text: &str) -> Result<Expression, Problem> {
        Expression::compile(&Located::new(text, Location::START), &mut Allowance::new())
    }

    /// Whether a metric `m` with one point, of label `code` 503, is kept by an expression; none if the batch is refused.
    fn keeps(expression: &str) -> Option<bool> {
        let quoted = expression.replace('\'', "''");
        let config = format!(
            "processors:\n  filter:\n    metrics:\n      include:\n        match_type: expr\n        expressions: ['{quoted}']\n\
             service: {{ pipelines: {{ metrics: {{ processors: [filter] }} }} }}\n"
        );
        let plan = CollectorFile::parse("f", &config, &|_| None).and_then(|file| file.check("metrics"));
        let mut pipeline = Pipeline::build(&plan.unwrap_or_else(|problems| panic!("{problems}")), 1);
        let point = r#"{"asInt":"1","attributes":[{"key":"code","value":{"stringValue":"503"}}]}"#;
        let request = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{point}]}}}}]}}]}}]}}"#
        );
        let request = json::decode(json::Request::Metrics, request.as_bytes(), 1 << 20).unwrap();
        let (input, mut out) = (Batch::parse(request.into()).unwrap(), Batch::default());
        pipeline.process(&input, 1, &mut out).ok()?;
        Some(!out.encode(Keep::All).bytes.is_empty())
    }

    #[test]
    fn values_are_compared_and_computed_with_by_their_kinds() {
        for (expression, expected) in [
            ("int(Label('code')) >= 500", Some(true)),
            ("int(Label('code')) + 1 == 504.0", Some(true)),
            ("float(Label('code')) / 2 > 251", Some(true)),
            ("2 ** 3 ** 2 == 512", Some(true)),
            ("7 - 2 - 1 == 4 && -2 * 3 == -6 && 7 % 4 == 3", Some(true)),
            ("Label('code') != nil", Some(true)),
            ("Label('none') != nil", Some(true)),
            ("Label('none') == ''", Some(true)),
            ("len(Label('code')) == 3 ? true : false", Some(true)),
            ("HasLabel('none') ? int(Label('none')) > 1 : MetricName == 'm'", Some(true)),
            ("not HasLabel('none') and MetricName matches '^m$'", Some(true)),
            ("MetricName not in ['a', 'b'] and MetricType in ['Gauge']", Some(true)),
            ("MetricName not startsWith 'm'", Some(false)),
            ("Label('code') == 503", Some(false)),
            ("upper(MetricName) + '_' + string(1 + 1) == 'M_2'", Some(true)),
            ("(nil ?? MetricName) == 'm'", Some(true)),
            ("hasPrefix(Label('code'), '5') || int(Label('none')) > 1", Some(true)),
            ("int(Label('none')) > 1", None),
            ("Label('none') != '' && int(Label('none')) > 1", Some(false)),
            ("(HasLabel('code') ? 1 : 'a') == 1", Some(true)),
            ("(HasLabel('none') ? 1 : 'a') > 1", None),
            ("5 % 0 == 1", None),
        ] {
            assert_eq!(keeps(expression), expected, "{expression}");
        }
    }

    #[test]
    fn what_could_only_fail_is_refused_when_it_is_read_with_its_place() {
        for (text, message) in [
            ("MetricName", "neither true nor false"),
            ("not MetricName == 'a'", "neither true nor false"),
            ("Label('a') > 5", "cannot stand on both sides"),
            ("MetricName and true", "neither true nor false"),
            ("Label(1) == 'a'", "no text stands here"),
            ("foo(1) == 1", "unknown word of expressions"),
            ("len('a', 'b') == 1", "len takes 1, and 2 stand here"),
            ("MetricName matches Label('a')", "a pattern that the data brings"),
            ("1 == 1 1", "ends here"),
            ("'a", "a text that does not end"),
        ] {
            let problem = compile(text).unwrap_err();
            assert!(problem.message.contains(message), "{text}: {}", problem.message);
        }
    }

    #[test]
    fn long_and_deep_expressions_are_read_or_refused_and_never_exhaust_the_stack() {
        let chain = vec!["HasLabel('a')"; 900].join(" or ");
        assert!(compile(&chain).is_ok());
        assert!(compile(&format!("{} == 1", vec!["1"; 1_000].join("+"))).is_err());
        for (open, close) in [("(", ")"), ("!", ""), ("len([", "])")] {
            assert!(compile(&format!("{}true{}", open.repeat(2_000), close.repeat(2_000))).is_err());
        }
    }
}
