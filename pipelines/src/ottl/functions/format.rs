//! `Format`: Go's verbs.

use crate::ottl::run::civil;
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::value::Val;

use super::{ParamType, Signature, converter, required};

pub(super) const TABLE: &[Signature] = &[converter(
    "Format",
    &[required("format", ParamType::FixedText), required("vals", ParamType::Values(&ParamType::Any))],
    |args| {
        let values = args.exprs(1).iter().map(|expr| expr.eval(args.row));
        let values: Vec<Val<'_>> = values.collect::<Evaluated<_>>()?;
        let format = String::from_utf8_lossy(args.fixed_text(0).unwrap_or_default());
        Ok(Val::text(sprintf(&format, &values)?))
    },
)];

/// Limit of the width of a formatted value.
const MAX_WIDTH: usize = 1 << 16;

/// One `%` with what follows it.
#[derive(Debug, Default)]
struct Verb {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Formats as Go does, mistakes included: they are written into the text.
pub(crate) fn sprintf(format: &str, values: &[Val<'_>]) -> Evaluated<String> {
    let (mut out, mut next) = (String::new(), 0);
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut verb = Verb::default();
        while let Some(flag) = rest.next_if(|c| "-+# 0".contains(*c)) {
            match flag {
                '-' => verb.minus = true,
                '+' => verb.plus = true,
                '#' => verb.sharp = true,
                ' ' => verb.space = true,
                _ => verb.zero = true,
            }
        }
        verb.width = number(&mut rest).unwrap_or(0);
        if rest.next_if_eq(&'.').is_some() {
            verb.precision = Some(number(&mut rest).unwrap_or(0));
        }
        if verb.width > MAX_WIDTH || verb.precision.is_some_and(|precision| precision > MAX_WIDTH) {
            return Err(Failure("a width that is too large"));
        }
        match rest.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some('*' | '[') => return Err(Failure("a width or a place that an argument gives")),
            Some(letter) => match values.get(next) {
                None => out.push_str(&format!("%!{letter}(MISSING)")),
                Some(value) => {
                    next += 1;
                    out.push_str(&verb.value(letter, value)?);
                }
            },
        }
    }
    if next < values.len() {
        let extra: Vec<String> = values[next..].iter().map(described).collect::<Evaluated<_>>()?;
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    Ok(out)
}

fn number(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut number = None;
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        let digit = digit.to_digit(10).unwrap_or(0) as usize;
        number = Some((number.unwrap_or(0) * 10 + digit).min(MAX_WIDTH + 1));
    }
    number
}

/// `type=value`, as mistakes show values.
fn described(value: &Val<'_>) -> Evaluated<String> {
    let name = match value {
        Val::Nil => return Ok("<nil>".to_owned()),
        Val::Bool(_) => "bool",
        Val::Int(_) => "int64",
        Val::Double(_) => "float64",
        Val::Text(_) => "string",
        Val::Bytes(_) => "[]uint8",
        Val::Duration(_) => "time.Duration",
        Val::Time(_) => "time.Time",
        Val::Texts(_) => "[]string",
        Val::Doubles(_) => "[]float64",
        Val::Counts(_) => "[]uint64",
        _ => "[]interface {}",
    };
    Ok(format!("{name}={}", Verb::default().value('v', value)?))
}

impl Verb {
    fn value(&self, letter: char, value: &Val<'_>) -> Evaluated<String> {
        let wrong = || Ok(format!("%!{letter}({})", described(value)?));
        let text = match (letter, value) {
            ('v', Val::Nil) => "<nil>".to_owned(),
            (_, Val::Nil) => return Ok(format!("%!{letter}(<nil>)")),
            ('v' | 't', Val::Bool(bit)) => bit.to_string(),
            (_, Val::Bool(_)) => return wrong(),
            (_, Val::Int(number)) => match self.integer(letter, *number) {
                Some(text) => return Ok(self.padded_number(&text)),
                None => return wrong(),
            },
            (_, Val::Double(number)) => match self.double(letter, *number) {
                Some(text) if number.is_finite() => return Ok(self.padded_number(&text)),
                Some(text) => text,
                None => return wrong(),
            },
            (_, Val::Text(text)) => match self.text(letter, text) {
                Some(text) => text,
                None => return wrong(),
            },
            ('s' | 'q' | 'x' | 'X', Val::Bytes(bytes)) => self.text(letter, bytes).unwrap_or_default(),
            (_, Val::Bytes(bytes)) => self.list(letter, bytes.iter().map(|byte| Val::Int((*byte).into())))?,
            ('v' | 's', Val::Duration(nanoseconds)) => civil::duration(*nanoseconds),
            (_, Val::Duration(nanoseconds)) => return self.value(letter, &Val::Int(*nanoseconds)),
            ('v' | 's', Val::Time(time)) => civil::shown(time),
            (_, Val::List(list)) => self.list(letter, list.items().into_iter())?,
            (_, Val::Texts(texts)) => self.list(letter, texts.iter().cloned().map(Val::Text))?,
            (_, Val::Doubles(numbers)) => self.list(letter, numbers.iter().copied().map(Val::Double))?,
            (_, Val::Counts(counts)) => {
                self.list(letter, counts.iter().map(|count| Val::Int(*count as i64)))?
            }
            _ => return Err(Failure("a value that cannot be formatted")),
        };
        Ok(self.padded(&text))
    }

    fn list<'v>(&self, letter: char, items: impl Iterator<Item = Val<'v>>) -> Evaluated<String> {
        let items: Vec<String> = items.map(|item| self.value(letter, &item)).collect::<Evaluated<_>>()?;
        Ok(format!("[{}]", items.join(" ")))
    }

    fn padded(&self, text: &str) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.minus {
            format!("{text}{}", " ".repeat(missing))
        } else {
            format!("{}{text}", " ".repeat(missing))
        }
    }

    /// A number padded with zeros keeps its sign in front.
    fn padded_number(&self, text: &str) -> String {
        if !self.zero || self.minus {
            return self.padded(text);
        }
        let (sign, digits) = match text.strip_prefix(['-', '+', ' ']) {
            Some(digits) => text.split_at(text.len() - digits.len()),
            None => ("", text),
        };
        let missing = self.width.saturating_sub(text.chars().count());
        format!("{sign}{}{digits}", "0".repeat(missing))
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        }
    }

    fn integer(&self, letter: char, number: i64) -> Option<String> {
        let size = number.unsigned_abs();
        let prefix = |prefix: &'static str| if self.sharp { prefix } else { "" };
        let digits = match letter {
            'v' | 'd' => size.to_string(),
            'b' => format!("{}{size:b}", prefix("0b")),
            'o' => format!("{}{size:o}", prefix("0")),
            'O' => format!("0o{size:o}"),
            'x' => format!("{}{size:x}", prefix("0x")),
            'X' => format!("{}{size:X}", prefix("0X")),
            'c' => return Some(char::from_u32(number as u32).unwrap_or('\u{fffd}').to_string()),
            'q' => return Some(format!("{:?}", char::from_u32(number as u32).unwrap_or('\u{fffd}'))),
            'U' => return Some(format!("U+{size:04X}")),
            _ => return None,
        };
        let digits = match self.precision {
            Some(precision) if digits.len() < precision => format!("{digits:0>precision$}"),
            _ => digits,
        };
        Some(format!("{}{digits}", self.sign(number < 0)))
    }

    fn double(&self, letter: char, number: f64) -> Option<String> {
        if !"vbgGxXfFeE".contains(letter) || "bxX".contains(letter) {
            return None;
        }
        if !number.is_finite() {
            let name = if number.is_nan() { "NaN" } else { "Inf" };
            let sign = if number.is_infinite() && number > 0.0 && !self.space {
                "+"
            } else {
                self.sign(number < 0.0)
            };
            return Some(if number.is_nan() {
                format!("{}NaN", self.sign(false))
            } else {
                format!("{sign}{name}")
            });
        }
        let size = number.abs();
        let text = match letter {
            'f' | 'F' => format!("{size:.*}", self.precision.unwrap_or(6)),
            'e' | 'E' => exponent(&format!("{size:.*e}", self.precision.unwrap_or(6))),
            _ => general(size, self.precision),
        };
        let text = if letter.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text };
        Some(format!("{}{text}", self.sign(number.is_sign_negative())))
    }

    fn text(&self, letter: char, bytes: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(bytes);
        let cut = match self.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text.into_owned(),
        };
        Some(match letter {
            'v' | 's' => cut,
            'q' => format!("{cut:?}"),
            'x' => hex::encode(cut.as_bytes()),
            'X' => hex::encode(cut.as_bytes()).to_ascii_uppercase(),
            _ => return None,
        })
    }
}

/// An exponent with a sign and two digits at least.
fn exponent(text: &str) -> String {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// `%g`: an exponent where the number is very small or has more digits than were asked for.
fn general(size: f64, precision: Option<usize>) -> String {
    if size == 0.0 {
        return "0".to_owned();
    }
    let scientific = match precision {
        Some(precision) => format!("{size:.*e}", precision.max(1) - 1),
        None => format!("{size:e}"),
    };
    let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    let count = digits.chars().filter(char::is_ascii_digit).count() as i32;
    let mut limit = precision.map_or(6, |precision| precision.max(1) as i32);
    if precision.is_some() && limit > count && count > power {
        limit = count;
    }
    if power < -4 || power >= limit {
        return exponent(&format!("{digits}e{power}"));
    }
    format!("{:.*}", usize::try_from(count - 1 - power).unwrap_or(0), size)
}
