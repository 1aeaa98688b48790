//! Authenticators of exporters: the extensions `basicauth`, `bearertokenauth` and `oauth2client`, with the Collector's keys.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use pipelines::config::{Component, Section};
use pipelines::yaml::{Node, Problem, keep, nearest};

use super::exporter::Surroundings;
use super::oauth2;
use crate::deliver::{TokenFile, TokenSource};

/// Kinds of extensions that are authenticators.
pub const KINDS: [&str; 3] = ["basicauth", "bearertokenauth", "oauth2client"];

/// Header by which a request says who sends it.
#[derive(Debug)]
pub enum Authenticator {
    /// The same for every request.
    Fixed(HeaderName, HeaderValue),
    /// With a token that changes.
    Token(TokenSource),
}

/// The authenticator that an exporter's `auth` names.
pub fn decode(node: &Node, around: Surroundings<'_>, problems: &mut Vec<Problem>) -> Option<Authenticator> {
    let file = around.file;
    let mut fields = node.optional_map(problems)?;
    let named = keep(fields.required("authenticator"), problems);
    fields.finish(problems);
    let named = named?;
    let id = keep(named.text(), problems)?;
    let in_service = || file.extensions().iter().map(|reference| reference.id.as_str());
    let component = file.component(Section::Extensions, id).filter(|_| in_service().any(|one| one == id));
    let Some(component) = component else {
        let problem =
            Problem::new(named.location, format!("there is no extension {id:?} in service.extensions"));
        problems.push(problem.suggest(nearest(id, in_service())));
        return None;
    };
    match component.id.kind() {
        "basicauth" => basic(component, problems),
        "bearertokenauth" => bearer(component, problems),
        "oauth2client" => {
            let settings = oauth2::decode(component, around, problems)?;
            Some(Authenticator::Token(TokenSource::OAuth2(Box::new(settings))))
        }
        kind => {
            let problem = Problem::new(named.location, format!("Phoenix authenticates nobody by {kind:?}"));
            problems.push(problem.expected("basicauth, bearertokenauth or oauth2client"));
            None
        }
    }
}

fn basic(component: &Component, problems: &mut Vec<Problem>) -> Option<Authenticator> {
    let mut fields = keep(component.config.map(), problems)?;
    let client = keep(fields.required("client_auth"), problems);
    // What a server asks of those who send to it.
    fields.take("htpasswd");
    fields.finish(problems);
    let mut client = keep(client?.map(), problems)?;
    let username = keep(client.required("username").and_then(Node::text), problems);
    let password = keep(client.required("password").and_then(Node::text), problems);
    client.finish(problems);
    let pair = STANDARD.encode(format!("{}:{}", username?, password?));
    let Some(value) = TokenFile::value("Basic", &pair) else {
        let problem =
            Problem::new(component.location, "username and password are no legal value of a header");
        problems.push(problem.expected("others"));
        return None;
    };
    Some(Authenticator::Fixed(http::header::AUTHORIZATION, value))
}

fn bearer(component: &Component, problems: &mut Vec<Problem>) -> Option<Authenticator> {
    let at = component.location;
    let mut fields = keep(component.config.map(), problems)?;
    let mut text = |key: &'static str| fields.take(key).and_then(|node| keep(node.text(), problems));
    let (scheme, header) = (text("scheme").unwrap_or("Bearer"), text("header").unwrap_or("authorization"));
    let (token, filename) = (text("token"), text("filename"));
    fields.finish(problems);
    let Ok(header) = HeaderName::from_bytes(header.as_bytes()) else {
        problems.push(Problem::new(at, format!("{header:?} is no name of a header")));
        return None;
    };
    match (token, filename) {
        // As in the Collector, the file counts where both are there.
        (_, Some(path)) => {
            let (scheme, path) = (scheme.to_owned(), PathBuf::from(path));
            Some(Authenticator::Token(TokenSource::File(TokenFile { header, scheme, path })))
        }
        (Some(token), None) => {
            let Some(value) = TokenFile::value(scheme, token) else {
                problems.push(Problem::new(at, "the token is no legal value of a header"));
                return None;
            };
            Some(Authenticator::Fixed(header, value))
        }
        (None, None) => {
            problems.push(Problem::new(at, "there is no token").expected("token or filename"));
            None
        }
    }
}
