//! `ExtractGrokPatterns`: regular expressions put together from named ones.

use crate::cost::Allowance;
use crate::ottl::pattern::Pattern;
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::getters::{boolean_like, parse_double, parse_integer};
use crate::ottl::run::value::Val;

use super::parse::put;
use super::{Args, Call, ParamType, Preparation, Signature, converter, fixed_text, optional, required};

pub(super) const TABLE: &[Signature] = &[converter(
    "ExtractGrokPatterns",
    &[
        required("target", ParamType::Text),
        required("pattern", ParamType::Text),
        optional("named_captures_only", ParamType::FixedBool),
        optional("pattern_definitions", ParamType::FixedTexts),
    ],
    extract,
)
.compiled(prepare)];

/// Limit of the size to which an expression may grow.
const MAX_EXPANDED: usize = 1 << 16;
/// Limit of the definitions that are put in, one after another; each is looked for from the beginning.
const MAX_REFERENCES: usize = 500;

/// An expression with its definitions put in, and the kinds that its groups convert to.
#[derive(Debug, Clone)]
pub(in crate::ottl) struct Grok {
    pattern: Pattern,
    kinds: Vec<(String, String)>,
}

impl Grok {
    fn new(
        expression: &str,
        named_only: bool,
        own: &[(String, String)],
        allowance: &mut Allowance,
    ) -> Result<Self, String> {
        let (mut text, mut kinds) = (expression.to_owned(), Vec::new());
        let mut references = 0;
        while let Some((start, end)) = reference(&text) {
            let mut parts = text[start + 2..end - 1].split(':');
            let name = parts.next().unwrap_or_default().to_owned();
            let (id, kind) = (parts.next().map(str::to_owned), parts.next().map(str::to_owned));
            let definition =
                own.iter().rev().find(|(known, _)| *known == name).map(|(_, definition)| definition.clone());
            let definition = definition.or_else(|| defined(&name));
            let definition = definition.ok_or_else(|| format!("the pattern {name:?} is not known here"))?;
            let group = id.clone().unwrap_or(name).replace('.', "___");
            if let Some(kind) = kind {
                kinds.push((group.clone(), kind));
            }
            let put = match (&id, named_only) {
                (None, true) => format!("({definition})"),
                _ => format!("(?P<{group}>{definition})"),
            };
            text.replace_range(start..end, &put);
            references += 1;
            if references > MAX_REFERENCES || text.len() > MAX_EXPANDED {
                return Err(format!(
                    "the pattern holds itself, or grows past {MAX_REFERENCES} definitions or {MAX_EXPANDED} bytes"
                ));
            }
        }
        let pattern = Pattern::new(&text, allowance).map_err(|error| error.to_string())?;
        if named_only && pattern.group_names().all(|name| name.is_none()) {
            return Err("the pattern has no group with a name".to_owned());
        }
        Ok(Self { pattern, kinds })
    }

    fn extract<'a>(&self, text: &[u8]) -> Evaluated<Val<'a>> {
        let mut made = Vec::new();
        let Some(captures) = self.pattern.captures(text) else { return Ok(Val::map(made)) };
        for (place, name) in self.pattern.group_names().enumerate() {
            let found = captures.get(place + 1).filter(|text| !text.is_empty());
            let (Some(name), Some(found)) = (name, found) else { continue };
            put(&mut made, name.replace("___", ".").into_bytes(), self.converted(name, found)?);
        }
        Ok(Val::map(made))
    }

    fn converted<'a>(&self, name: &str, text: &[u8]) -> Evaluated<Val<'a>> {
        let kind = self.kinds.iter().rev().find(|(group, _)| group == name).map(|(_, kind)| kind.as_str());
        let wrong = Failure("a group that does not convert");
        Ok(match kind {
            None | Some("string") => Val::text(text),
            Some("int" | "long") => Val::Int(parse_integer(text, 10).ok_or(wrong)?),
            Some("float" | "double") => Val::Double(parse_double(text).ok_or(wrong)?),
            Some("bool" | "boolean") => Val::Bool(boolean_like(&Val::text(text))?.ok_or(wrong)?),
            Some(_) => return Err(Failure("a group of an unknown kind")),
        })
    }
}

/// Finds the next `%{NAME:id:kind}`.
fn reference(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find("%{")?;
        let end = start + text[start..].find('}')? + 1;
        let parts: Vec<&str> = text[start + 2..end - 1].split(':').collect();
        let word = |part: &str, more: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || more.contains(c))
        };
        let fits = match parts.as_slice() {
            [name] => word(name, ""),
            [name, id] => word(name, "") && word(id, "+."),
            [name, id, kind] => word(name, "") && word(id, "+.") && word(kind, ""),
            _ => false,
        };
        if fits {
            return Some((start, end));
        }
        from = start + 2;
    }
}

fn prepare(call: &Call, allowance: &mut Allowance) -> Result<Preparation, String> {
    use crate::ottl::check::call::Argument;
    let mut own = Vec::new();
    if let Some(Some(Argument::Texts(texts))) = call.arguments.get(3) {
        for text in texts {
            let text = String::from_utf8_lossy(text);
            let (name, definition) = text.split_once('=').ok_or("a definition is written NAME=pattern")?;
            if name.contains(':') {
                return Err(format!("the name {name:?} holds a colon"));
            }
            own.push((name.to_owned(), definition.to_owned()));
        }
    }
    let named_only = matches!(call.arguments.get(2), Some(Some(Argument::Bool(true))));
    match fixed_text(call, 1) {
        Some(text) => {
            let grok = Grok::new(&String::from_utf8_lossy(text), named_only, &own, allowance)?;
            Ok(Preparation::Grok(Box::new(grok)))
        }
        None => Err("the pattern must stand in the config".to_owned()),
    }
}

fn extract<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    match &args.call.prepared {
        Preparation::Grok(grok) => grok.extract(&args.text(0)?),
        _ => Err(Failure("a pattern is missing")),
    }
}

/// A number of 0 to 255.
const OCTET: &str = r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)";

/// The patterns that everybody uses, by name.
fn defined(name: &str) -> Option<String> {
    let definition = match name {
        "IPV4" => return Some(format!(r"(?:{OCTET}\.){{3}}{OCTET}")),
        "IPV6" => return Some(ipv6()),
        "WORD" => r"\b\w+\b",
        "NOTSPACE" => r"\S+",
        "SPACE" => r"\s*",
        "DATA" => ".*?",
        "GREEDYDATA" => ".*",
        "INT" => r"(?:[+-]?(?:[0-9]+))",
        "NUMBER" => "(?:%{BASE10NUM})",
        "BASE10NUM" => r"([+-]?(?:[0-9]+(?:\.[0-9]+)?)|\.[0-9]+)",
        "BASE16NUM" => "[+-]?(?:0x)?[0-9A-Fa-f]+",
        "BASE16FLOAT" => r"[+-]?(?:0x)?[0-9A-Fa-f]+(?:\.[0-9A-Fa-f]*)?",
        "BOOL" => "true|false",
        "POSINT" => r"\b[1-9][0-9]*\b",
        "NONNEGINT" => r"\b[0-9]+\b",
        "QUOTEDSTRING" => r#""([^"\\]*(\\.[^"\\]*)*)"|\'([^\'\\]*(\\.[^\'\\]*)*)\'"#,
        "QS" => "%{QUOTEDSTRING}",
        "UUID" => "[A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}",
        "URN" => "urn:[0-9A-Za-z][0-9A-Za-z-]{0,31}:[0-9A-Za-z()+,.:=@;$_!*'/?#-]+",
        "IP" => "(?:%{IPV6}|%{IPV4})",
        "IPORHOST" => "(?:%{IP}|%{HOSTNAME})",
        "HOSTNAME" => r"\b(?:[0-9A-Za-z][0-9A-Za-z-]{0,62})(?:\.(?:[0-9A-Za-z][0-9A-Za-z-]{0,62}))*(\.?|\b)",
        "HOSTPORT" => "%{IPORHOST}:%{POSINT}",
        "USERNAME" => "[a-zA-Z0-9._-]+",
        "USER" => "%{USERNAME}",
        "EMAILLOCALPART" => "[a-zA-Z][a-zA-Z0-9_.+-=:]+",
        "EMAILADDRESS" => "%{EMAILLOCALPART}@%{HOSTNAME}",
        "MAC" => "(?:%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC})",
        "CISCOMAC" => r"(?:(?:[A-Fa-f0-9]{4}\.){2}[A-Fa-f0-9]{4})",
        "WINDOWSMAC" => "(?:(?:[A-Fa-f0-9]{2}-){5}[A-Fa-f0-9]{2})",
        "COMMONMAC" => "(?:(?:[A-Fa-f0-9]{2}:){5}[A-Fa-f0-9]{2})",
        "PATH" => "(?:%{UNIXPATH}|%{WINPATH})",
        "UNIXPATH" => r"(/[\w_%!$@:.,+~-]+)+",
        "WINPATH" => r"[A-Za-z]+:(\\[^\\?*]+)+",
        "TTY" => r"/dev/(pts|tty([pq])?)(\w+)?/?(?:[0-9]+)",
        "URIPROTO" => r"[A-Za-z][A-Za-z0-9+\.-]+",
        "URIHOST" => "%{IPORHOST}(?::%{POSINT})?",
        "URIPATH" => r"(/[A-Za-z0-9$.+!*'(){},~:;=@#%&_\-]+)+",
        "URIQUERY" => r"[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\-\[\]<>]*",
        "URIPARAM" => r"\?%{URIQUERY}",
        "URIPATHPARAM" => r"%{URIPATH}(?:\?%{URIQUERY})?",
        "URI" => r"%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?%{URIHOST}(?:%{URIPATH}(?:\?%{URIQUERY})?)?",
        other => return time_of(other).map(str::to_owned),
    };
    Some(definition.to_owned())
}

/// Patterns of dates, times and logs.
fn time_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "MONTH" => {
            r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|Jun(?:e)?|Jul(?:y)?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b"
        }
        "MONTHNUM" => "(?:0[1-9]|1[0-2])",
        "MONTHDAY" => "(?:(?:0[1-9])|(?:[12][0-9])|(?:3[01])|[1-9])",
        "DAY" => {
            r"\b(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)\b"
        }
        "YEAR" => r"(\d\d){1,2}",
        "HOUR" => "(?:2[0123]|[01]?[0-9])",
        "MINUTE" => "(?:[0-5][0-9])",
        "SECOND" => "(?:(?:[0-5][0-9]|60)(?:[:.,][0-9]+)?)",
        "TIME" => "%{HOUR}:%{MINUTE}(?::%{SECOND})?",
        "DATE_US" => "%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}",
        "DATE_EU" => "%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}",
        "DATE" => "%{DATE_US}|%{DATE_EU}",
        "DATESTAMP" => "%{DATE}[- ]%{TIME}",
        "ISO8601_TIMEZONE" => "(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))",
        "ISO8601_SECOND" => "%{SECOND}",
        "TIMESTAMP_ISO8601" => {
            "%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?"
        }
        "TZ" => "(?:[PMACE][SED]T|UTC)",
        "DATESTAMP_RFC822" => "%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}",
        "DATESTAMP_RFC2822" => "%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}",
        "DATESTAMP_OTHER" => "%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}",
        "DATESTAMP_EVENTLOG" => "%{YEAR}%{MONTHNUM}%{MONTHDAY}%{HOUR}%{MINUTE}%{SECOND}",
        "SYSLOGTIMESTAMP" => "%{MONTH} +%{MONTHDAY} %{TIME}",
        "PROG" => r"[!-Z\\^-~]+",
        "SYSLOGPROG" => r"%{PROG}(?:\[\d+\])?",
        "SYSLOGHOST" => "%{IPORHOST}",
        "SYSLOGFACILITY" => "<%{NONNEGINT}.%{NONNEGINT}>",
        "SYSLOGBASE" => {
            "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:host.name} %{SYSLOGPROG}:"
        }
        "HTTPDATE" => "%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}",
        "LOGLEVEL" => {
            "(?i)(alert|trace|debug|notice|info(?:rmation)?|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|emerg(?:ency)?)"
        }
        _ => return None,
    })
}

/// All ways to write an address of IPv6: up to eight groups, one run of them left out, IPv4 at the end.
fn ipv6() -> String {
    let group = "[0-9A-Fa-f]{1,4}";
    let v4 = r"((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3})";
    let mut ways =
        vec![format!("(({group}:){{7}}({group}|:))"), format!("(({group}:){{6}}(:{group}|{v4}|:))")];
    for before in (1..=5).rev() {
        let after = 7 - before;
        let skipped = match after - 2 {
            0 => String::new(),
            1 => format!("(:{group})?"),
            most => format!("(:{group}){{0,{most}}}"),
        };
        ways.push(format!("(({group}:){{{before}}}(((:{group}){{1,{after}}})|({skipped}:{v4})|:))"));
    }
    ways.push(format!("(:(((:{group}){{1,7}})|((:{group}){{0,5}}:{v4})|:))"));
    format!("({})(%.+)?", ways.join("|"))
}
