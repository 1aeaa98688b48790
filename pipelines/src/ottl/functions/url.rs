//! `URL`: the parts of a URL, told apart as Go's `net/url` does.

use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::value::{List, Val};

use super::{Args, ParamType, Signature, converter, required};

pub(super) const TABLE: &[Signature] = &[converter("URL", &[required("uri", ParamType::Text)], url)];

const WRONG: Failure = Failure("a text that is no URL");

fn url<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let text = args.text(0)?;
    let text = std::str::from_utf8(&text).map_err(|_| WRONG)?;
    if text.is_empty() {
        return Err(WRONG);
    }
    if let Some(query) = text.strip_prefix('?') {
        return parameters(query).ok_or(WRONG);
    }
    Url::parse(text).ok_or(WRONG)?.map()
}

/// The parameters of a query alone.
fn parameters<'a>(query: &str) -> Option<Val<'a>> {
    let mut made = Vec::<(Vec<u8>, Vec<Val<'a>>)>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pair.contains(';') {
            return None;
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (unescape(key, true)?, unescape(value, true)?);
        match made.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(Val::text(value)),
            None => made.push((key, vec![Val::text(value)])),
        }
    }
    if made.is_empty() {
        return Some(Val::map(Vec::new()));
    }
    let lists = made.into_iter().map(|(key, values)| (key, Val::List(List::Made(values))));
    Some(Val::map([(b"query".to_vec(), Val::map(lists))]))
}

/// Takes percent signs apart; in a query a plus is a space.
fn unescape(text: &str, query: bool) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'%' => {
                out.extend(hex::decode(tail.get(..2)?).ok()?);
                rest = &tail[2..];
            }
            b'+' if query => out.push(b' '),
            other => out.push(*other),
        }
    }
    Some(out)
}

/// Percent-encodes what does not stand for itself in a part of a URL.
fn escape(bytes: &[u8], stays: impl Fn(u8) -> bool) -> String {
    let mut out = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) || stays(*byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[derive(Default)]
struct Url<'t> {
    scheme: String,
    opaque: &'t str,
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    has_authority: bool,
    host: String,
    path: &'t str,
    query: Option<&'t str>,
    fragment: Option<&'t str>,
}

impl<'t> Url<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return None;
        }
        let mut url = Self::default();
        let (rest, fragment) = match text.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (text, None),
        };
        url.fragment = fragment;
        unescape(fragment.unwrap_or_default(), false)?;
        let rest = url.scheme(rest)?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        url.query = query;
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                url.opaque = rest;
                return Some(url);
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return None;
            }
        }
        url.path = rest;
        if let Some(after) = rest.strip_prefix("//")
            && (!url.scheme.is_empty() || !rest.starts_with("///"))
        {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            url.path = path;
            url.has_authority = true;
            url.authority(authority)?;
        }
        unescape(url.path, false)?;
        Some(url)
    }

    fn scheme(&mut self, text: &'t str) -> Option<&'t str> {
        for (at, c) in text.char_indices() {
            match c {
                'a'..='z' | 'A'..='Z' => {}
                '0'..='9' | '+' | '-' | '.' if at > 0 => {}
                ':' if at > 0 => {
                    self.scheme = text[..at].to_ascii_lowercase();
                    return Some(&text[at + 1..]);
                }
                ':' => return None,
                _ => break,
            }
        }
        Some(text)
    }

    fn authority(&mut self, authority: &str) -> Option<()> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if let Some(user) = user {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
            if !user.bytes().all(valid) {
                return None;
            }
            let (name, password) = match user.split_once(':') {
                Some((name, password)) => (name, Some(unescape(password, false)?)),
                None => (user, None),
            };
            self.user = Some((unescape(name, false)?, password));
        }
        let port = match host.strip_prefix('[') {
            Some(_) => host.split_at(host.rfind(']')? + 1).1,
            None => host.rfind(':').map_or("", |colon| &host[colon..]),
        };
        let digits = port.strip_prefix(':').unwrap_or(port);
        if (!port.is_empty() && !port.starts_with(':')) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let forbidden = |byte: u8| {
            byte == b' '
                || byte == b'^'
                || byte == b'\\'
                || byte == b'{'
                || byte == b'}'
                || byte == b'|'
                || byte == b'`'
        };
        if host.bytes().any(forbidden) {
            return None;
        }
        self.host = String::from_utf8_lossy(&unescape(host, false)?).into_owned();
        Some(())
    }

    fn user_info(&self) -> Option<String> {
        let (name, password) = self.user.as_ref()?;
        let part = |bytes: &[u8]| escape(bytes, |byte| b"$&+,;=".contains(&byte));
        Some(match password {
            Some(password) => format!("{}:{}", part(name), part(password)),
            None => part(name),
        })
    }

    /// A part as it was written if that is a valid encoding, else encoded anew.
    fn encoded(part: &str) -> String {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@[]/%".contains(&byte);
        if part.bytes().all(valid) {
            return part.to_owned();
        }
        escape(&unescape(part, false).unwrap_or_default(), |byte| b"$&+,/:;=@".contains(&byte))
    }

    /// The URL put together again.
    fn whole(&self) -> String {
        let mut text = String::new();
        if !self.scheme.is_empty() {
            text.push_str(&format!("{}:", self.scheme));
        }
        if !self.opaque.is_empty() {
            text.push_str(self.opaque);
        } else {
            if self.has_authority && (!self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some())
            {
                text.push_str("//");
            }
            if let Some(user) = self.user_info() {
                text.push_str(&format!("{user}@"));
            }
            text.push_str(&escape(self.host.as_bytes(), |byte| b"!$&'()*+,;=:[]<>\"".contains(&byte)));
            text.push_str(&Self::encoded(self.path));
        }
        if let Some(query) = self.query {
            text.push_str(&format!("?{query}"));
        }
        if let Some(fragment) = self.fragment.filter(|fragment| !fragment.is_empty()) {
            text.push_str(&format!("#{}", Self::encoded(fragment)));
        }
        text
    }

    fn host_and_port(&self) -> (&str, &str) {
        let after_bracket = self.host.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match self.host[after_bracket..].rfind(':') {
            Some(colon) => (&self.host[..after_bracket + colon], &self.host[after_bracket + colon + 1..]),
            None => (self.host.as_str(), ""),
        };
        (host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port)
    }

    fn map<'a>(&self) -> Evaluated<Val<'a>> {
        let path = String::from_utf8_lossy(&unescape(self.path, false).unwrap_or_default()).into_owned();
        let (host, port) = self.host_and_port();
        let mut made = vec![
            ("url.original", Val::text(self.whole())),
            ("url.domain", Val::text(host)),
            ("url.scheme", Val::text(self.scheme.as_str())),
            ("url.path", Val::text(path.as_str())),
        ];
        if !port.is_empty() {
            made.push(("url.port", Val::Int(port.parse().map_err(|_| WRONG)?)));
        }
        if let Some(fragment) = self.fragment.filter(|fragment| !fragment.is_empty()) {
            made.push(("url.fragment", Val::text(unescape(fragment, false).unwrap_or_default())));
        }
        if let Some((name, password)) = &self.user {
            made.push(("url.user_info", Val::text(self.user_info().unwrap_or_default())));
            made.extend((!name.is_empty()).then(|| ("url.username", Val::text(name.as_slice()))));
            made.extend(password.as_ref().map(|password| ("url.password", Val::text(password.as_slice()))));
        }
        if let Some(query) = self.query.filter(|query| !query.is_empty()) {
            made.push(("url.query", Val::text(query)));
        }
        if let Some((_, extension)) = path.rsplit_once('.').filter(|(_, extension)| !extension.is_empty()) {
            made.push(("url.extension", Val::text(extension)));
        }
        Ok(Val::map(made.into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value))))
    }
}
