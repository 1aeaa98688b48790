//! The syntax tree: what was written, with the byte offset of everything that can be wrong.

/// An editor and its condition: `set(a, b) where c`.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The editor's call; its name begins with a lower-case letter and it has no keys.
    pub editor: Call,
    /// Condition after `where`.
    pub condition: Option<Boolean>,
}

/// Expression that holds or does not.
#[derive(Debug, Clone, PartialEq)]
pub enum Boolean {
    /// `true` or `false`.
    Literal(bool),
    /// A converter that gives a boolean.
    Call(Call),
    /// Two values and what is claimed of them.
    Comparison(Box<Comparison>),
    /// `not`
    Not(Box<Self>),
    /// Two and more operands of `and`.
    And(Vec<Self>),
    /// Two and more operands of `or`.
    Or(Vec<Self>),
}

/// `left == right`
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The left side.
    pub left: Value,
    /// The operator.
    pub op: CompareOp,
    /// The right side.
    pub right: Value,
}

/// Comparison of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// Operation on numbers, times and durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MathOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Byte offset.
    pub offset: usize,
    /// Kind of the value.
    pub kind: ValueKind,
}

/// The kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueKind {
    /// `nil`
    Nil,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a point.
    Double(f64),
    /// A text; bytes, since escapes can make what is not UTF-8.
    Text(Vec<u8>),
    /// `0x0102`
    Bytes(Vec<u8>),
    /// `METRIC_DATA_TYPE_SUM`
    Enum(String),
    /// A path.
    Path(Path),
    /// `[a, b]`
    List(Vec<Value>),
    /// `{"a": b}`
    Map(Vec<(Vec<u8>, Value)>),
    /// A converter.
    Call(Call),
    /// `-x`
    Negation(Box<Value>),
    /// `x + y`
    Math(Box<Value>, MathOp, Box<Value>),
}

/// `resource.attributes["a"]`
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Byte offset.
    pub offset: usize,
    /// The names between the dots.
    pub segments: Vec<Segment>,
}

/// One name of a path.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Byte offset.
    pub offset: usize,
    /// The name.
    pub name: String,
    /// The keys that index it.
    pub keys: Vec<Value>,
}

/// `Function(argument, name=argument)["key"]`
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Byte offset.
    pub offset: usize,
    /// The function's name.
    pub name: String,
    /// The arguments, in order.
    pub arguments: Vec<Argument>,
    /// The keys that index the result.
    pub keys: Vec<Value>,
}

/// An argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Byte offset.
    pub offset: usize,
    /// Its name, if it is given by name.
    pub name: Option<String>,
    /// Value of the argument.
    pub value: ArgumentValue,
}

/// Value that can be an argument.
#[derive(Debug, Clone, PartialEq)]
pub enum ArgumentValue {
    /// A value.
    Value(Value),
    /// The name of a function, not called.
    Function(String),
}
