//! The grammar.
//!
//! `not` binds tightest, then `and`, then `or`; `*` and `/` bind tighter than `+` and `-`. Texts, booleans,
//! `nil` and enum names do not stand in arithmetic. Of all ways to read a parenthesis, the error of the one
//! that came furthest is reported. Spec: `pkg/ottl/GRAMMAR.md` of the Collector's contrib repository.

use crate::ottl::SyntaxError;

use super::ast::{
    Argument, ArgumentValue, Boolean, Call, Comparison, MathOp, Path, Segment, Statement, Value, ValueKind,
};
use super::lex::{Token, tokens};

/// The longest statement or condition, in bytes.
const MAX_LENGTH: usize = 16 << 10;
/// Limit of the depth to which values and conditions may nest.
const MAX_DEPTH: usize = 64;
/// Operators that stand side by side, as in `1 + 2 - 3`; each makes the tree a level deeper.
const MAX_CHAIN: usize = 64;
/// Tokens that are read in vain, since a parenthesis that could begin a value begins a condition.
const MAX_VAIN: usize = 20_000;

/// Parses a condition.
///
/// # Errors
/// The first thing that is not OTTL, with its offset.
pub fn condition(text: &str) -> Result<Boolean, SyntaxError> {
    let mut parser = Parser::new(text)?;
    let condition = parser.or()?;
    parser.end()?;
    Ok(condition)
}

/// Parses a statement.
///
/// # Errors
/// The first thing that is not OTTL, with its offset.
pub fn statement(text: &str) -> Result<Statement, SyntaxError> {
    let mut parser = Parser::new(text)?;
    let offset = parser.offset();
    let Token::Word(name) = parser.next() else {
        return Err(SyntaxError::new(offset, "a statement begins with an editor, such as set(…)"));
    };
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(SyntaxError::new(offset, format!("an editor's name is lower case, and {name} is not")));
    }
    parser.expect('(')?;
    let editor = parser.call(offset, name)?;
    if let Some(key) = editor.keys.first() {
        return Err(SyntaxError::new(key.offset, "an editor cannot be indexed"));
    }
    let condition = match parser.word() {
        Some("where") => {
            parser.next();
            Some(parser.or()?)
        }
        _ => None,
    };
    parser.end()?;
    Ok(Statement { editor, condition })
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    vain: usize,
}

type ParseResult<T> = Result<T, SyntaxError>;

impl Parser {
    fn new(text: &str) -> ParseResult<Self> {
        if text.len() > MAX_LENGTH {
            return Err(SyntaxError::new(0, format!("longer than {MAX_LENGTH} bytes")));
        }
        Ok(Self { tokens: tokens(text)?, at: 0, depth: 0, vain: 0 })
    }

    fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).map_or(&Token::End, |(_, token)| token)
    }

    fn word(&self) -> Option<&str> {
        match self.peek() {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn offset(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |(offset, _)| *offset)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn takes(&mut self, sign: char) -> bool {
        let found = *self.peek() == Token::Sign(sign);
        self.at += usize::from(found);
        found
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = self.word() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn unexpected<T>(&self, expected: &str) -> ParseResult<T> {
        let error = SyntaxError::new(self.offset(), format!("unexpected {}", self.peek().describe()));
        Err(SyntaxError { expected: Some(expected.to_owned()), ..error })
    }

    fn expect(&mut self, sign: char) -> ParseResult<()> {
        if self.takes(sign) { Ok(()) } else { self.unexpected(&format!("{sign:?}")) }
    }

    fn end(&self) -> ParseResult<()> {
        if *self.peek() == Token::End { Ok(()) } else { self.unexpected("and, or, or the end") }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> ParseResult<T>) -> ParseResult<T> {
        if self.depth == MAX_DEPTH {
            return Err(SyntaxError::new(self.offset(), format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn or(&mut self) -> ParseResult<Boolean> {
        let mut operands = vec![self.and()?];
        while self.takes_word("or") {
            operands.push(self.and()?);
        }
        Ok(if operands.len() == 1 { operands.remove(0) } else { Boolean::Or(operands) })
    }

    fn and(&mut self) -> ParseResult<Boolean> {
        let mut operands = vec![self.not()?];
        while self.takes_word("and") {
            operands.push(self.not()?);
        }
        Ok(if operands.len() == 1 { operands.remove(0) } else { Boolean::And(operands) })
    }

    fn not(&mut self) -> ParseResult<Boolean> {
        if self.takes_word("not") {
            return Ok(Boolean::Not(Box::new(self.boolean()?)));
        }
        self.boolean()
    }

    fn boolean(&mut self) -> ParseResult<Boolean> {
        if *self.peek() != Token::Sign('(') {
            return self.comparison();
        }
        // A parenthesis holds a condition, or it begins an arithmetic value that is compared.
        let (at, depth) = (self.at, self.depth);
        let as_value = match self.comparison() {
            Ok(comparison) => return Ok(comparison),
            Err(error) => error,
        };
        self.vain += self.at - at;
        if self.vain > MAX_VAIN {
            let message = format!("more than {MAX_VAIN} words read twice; use fewer parentheses");
            return Err(SyntaxError::new(self.offset(), message));
        }
        (self.at, self.depth) = (at + 1, depth);
        let inner = self.nested(Self::or).and_then(|inner| self.expect(')').map(|()| inner));
        inner.map_err(|error| if error.offset >= as_value.offset { error } else { as_value })
    }

    fn comparison(&mut self) -> ParseResult<Boolean> {
        let left = self.value()?;
        if let Token::Compare(op) = *self.peek() {
            self.at += 1;
            let right = self.value()?;
            return Ok(Boolean::Comparison(Box::new(Comparison { left, op, right })));
        }
        match left.kind {
            ValueKind::Bool(value) => Ok(Boolean::Literal(value)),
            ValueKind::Call(call) => Ok(Boolean::Call(call)),
            ValueKind::Path(_) => {
                self.unexpected("a comparison; a path of boolean kind is compared with true")
            }
            _ => self.unexpected("a comparison"),
        }
    }

    fn value(&mut self) -> ParseResult<Value> {
        self.nested(Self::any_value)
    }

    fn any_value(&mut self) -> ParseResult<Value> {
        let offset = self.offset();
        let kind = match self.peek() {
            Token::Text(text) => ValueKind::Text(text.clone()),
            Token::Bytes(bytes) => ValueKind::Bytes(bytes.clone()),
            Token::Word(word) if word == "nil" => ValueKind::Nil,
            Token::Word(word) if word == "true" || word == "false" => ValueKind::Bool(word == "true"),
            Token::Word(word) if is_upper(word) && *self.peek_at(1) != Token::Sign('(') => {
                ValueKind::Enum(word.clone())
            }
            Token::Sign('[') => return Ok(Value { offset, kind: self.list()? }),
            Token::Sign('{') => return Ok(Value { offset, kind: self.map()? }),
            _ => return self.sum(),
        };
        self.at += 1;
        Ok(Value { offset, kind })
    }

    fn sum(&mut self) -> ParseResult<Value> {
        let mut left = self.product()?;
        let mut length = 0;
        while let Token::Math(op @ (MathOp::Add | MathOp::Sub)) = *self.peek() {
            self.operator(&mut length)?;
            left = math(left, op, self.product()?);
        }
        Ok(left)
    }

    fn product(&mut self) -> ParseResult<Value> {
        let mut left = self.operand()?;
        let mut length = 0;
        while let Token::Math(op @ (MathOp::Mul | MathOp::Div)) = *self.peek() {
            self.operator(&mut length)?;
            left = math(left, op, self.operand()?);
        }
        Ok(left)
    }

    /// Takes an operator of a chain.
    fn operator(&mut self, length: &mut usize) -> ParseResult<()> {
        *length += 1;
        if *length > MAX_CHAIN {
            return Err(SyntaxError::new(self.offset(), format!("more than {MAX_CHAIN} operators in a row")));
        }
        self.at += 1;
        Ok(())
    }

    fn operand(&mut self) -> ParseResult<Value> {
        let offset = self.offset();
        match *self.peek() {
            Token::Math(MathOp::Add) => {
                self.at += 1;
                self.factor()
            }
            Token::Math(MathOp::Sub) => {
                self.at += 1;
                let value = self.factor()?;
                let kind = match value.kind {
                    ValueKind::Int(number) => ValueKind::Int(number.wrapping_neg()),
                    ValueKind::Double(number) => ValueKind::Double(-number),
                    _ => ValueKind::Negation(Box::new(value)),
                };
                Ok(Value { offset, kind })
            }
            _ => self.factor(),
        }
    }

    fn factor(&mut self) -> ParseResult<Value> {
        let offset = self.offset();
        let kind = match self.peek().clone() {
            Token::Int(number) => ValueKind::Int(number),
            Token::Double(number) => ValueKind::Double(number),
            Token::Sign('(') => {
                self.at += 1;
                let value = self.nested(Self::sum)?;
                self.expect(')')?;
                return Ok(value);
            }
            Token::Word(word) if !is_reserved(&word) => {
                self.at += 1;
                return self.named(offset, word);
            }
            _ => return self.unexpected("a value"),
        };
        self.at += 1;
        Ok(Value { offset, kind })
    }

    /// A path or a call, after its first word.
    fn named(&mut self, offset: usize, word: String) -> ParseResult<Value> {
        if self.takes('(') {
            if word.starts_with(|c: char| c.is_ascii_lowercase()) {
                let message = format!("{word} is an editor; a converter's name begins in upper case");
                return Err(SyntaxError::new(offset, message));
            }
            return Ok(Value { offset, kind: ValueKind::Call(self.call(offset, word)?) });
        }
        let mut segments = vec![self.segment(offset, word)?];
        while self.takes('.') {
            let offset = self.offset();
            match self.next() {
                Token::Word(word) => segments.push(self.segment(offset, word)?),
                _ => {
                    self.at -= 1;
                    return self.unexpected("a name");
                }
            }
        }
        Ok(Value { offset, kind: ValueKind::Path(Path { offset, segments }) })
    }

    fn segment(&mut self, offset: usize, name: String) -> ParseResult<Segment> {
        if name.contains(|c: char| c.is_ascii_uppercase()) {
            let message = format!("{name:?} is neither a path, which is lower case, nor called");
            return Err(SyntaxError::new(offset, message));
        }
        Ok(Segment { offset, name, keys: self.keys()? })
    }

    fn keys(&mut self) -> ParseResult<Vec<Value>> {
        let mut keys = Vec::new();
        while self.takes('[') {
            let key = self.value()?;
            match key.kind {
                ValueKind::Text(_)
                | ValueKind::Int(_)
                | ValueKind::Path(_)
                | ValueKind::Call(_)
                | ValueKind::Negation(_)
                | ValueKind::Math(..) => keys.push(key),
                _ => {
                    return Err(SyntaxError::new(
                        key.offset,
                        "a key is a text, an integer or what gives one",
                    ));
                }
            }
            self.expect(']')?;
        }
        Ok(keys)
    }

    /// The arguments and keys of a call, after its opening parenthesis.
    fn call(&mut self, offset: usize, name: String) -> ParseResult<Call> {
        let mut arguments = Vec::new();
        if !self.takes(')') {
            loop {
                arguments.push(self.argument()?);
                if self.takes(')') {
                    break;
                }
                if !self.takes(',') {
                    return self.unexpected("\",\" or \")\"");
                }
            }
        }
        Ok(Call { offset, name, arguments, keys: self.keys()? })
    }

    fn argument(&mut self) -> ParseResult<Argument> {
        let offset = self.offset();
        let name = match (self.peek(), self.peek_at(1)) {
            (Token::Word(name), Token::Sign('=')) => Some(name.clone()),
            _ => None,
        };
        self.at += if name.is_some() { 2 } else { 0 };
        let function = match (self.peek(), self.peek_at(1)) {
            (Token::Word(word), Token::Sign(',' | ')'))
                if word.starts_with(|c: char| c.is_ascii_uppercase()) && !is_upper(word) =>
            {
                Some(word.clone())
            }
            _ => None,
        };
        let value = match function {
            Some(function) => {
                self.at += 1;
                ArgumentValue::Function(function)
            }
            None => ArgumentValue::Value(self.value()?),
        };
        Ok(Argument { offset, name, value })
    }

    fn list(&mut self) -> ParseResult<ValueKind> {
        self.expect('[')?;
        let mut items = Vec::new();
        while !self.takes(']') {
            if !items.is_empty() && !self.takes(',') {
                return self.unexpected("\",\" or \"]\"");
            }
            items.push(self.value()?);
        }
        Ok(ValueKind::List(items))
    }

    fn map(&mut self) -> ParseResult<ValueKind> {
        self.expect('{')?;
        let mut entries = Vec::new();
        while !self.takes('}') {
            let Token::Text(key) = self.peek().clone() else {
                return self.unexpected("a text as the key, or \"}\"");
            };
            self.at += 1;
            self.expect(':')?;
            entries.push((key, self.value()?));
            self.takes(',');
        }
        Ok(ValueKind::Map(entries))
    }
}

fn math(left: Value, op: MathOp, right: Value) -> Value {
    Value { offset: left.offset, kind: ValueKind::Math(Box::new(left), op, Box::new(right)) }
}

fn is_upper(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase()) && !word.contains(|c: char| c.is_ascii_lowercase())
}

fn is_reserved(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "true" | "false" | "nil" | "where")
}
