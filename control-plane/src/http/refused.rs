//! Refusals in the OpenAPI document: what guard, extractors and limits answer, beside the refusals of a handler's own.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// Media type of a refusal (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// Adds to a route's entry every refusal that may be the answer, each with its media type; `is_guarded` says that somebody
/// must be logged in.
pub(super) fn describe(operation: &mut Operation, is_guarded: bool) {
    let has_body = operation.request_body.is_some();
    let has_parameters = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let ways = [
        (is_guarded, "401", "Not logged in"),
        (is_guarded, "403", "The role, or the API key, does not reach so far"),
        (has_body || has_parameters, "400", "The request cannot be read"),
        (has_body, "413", "The body is too large"),
        (has_body, "415", "The body is not application/json"),
        (has_body || has_parameters, "422", "A field or a parameter is not valid"),
        (true, "default", "Another refusal, such as 429 or 503 with Retry-After"),
    ];
    let responses = &mut operation.responses.responses;
    for (_, status, about) in ways.into_iter().filter(|(applies, ..)| *applies) {
        responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(about).build()));
    }
    let refusals = responses.iter_mut().filter(|(status, _)| !status.starts_with(['1', '2', '3']));
    refusals.for_each(|(_, response)| as_problem(response));
}

fn as_problem(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let schema = Ref::from_schema_name("Problem");
    response.content.clear();
    let content = ContentBuilder::new().schema(Some(schema)).build();
    response.content.insert(PROBLEM.to_owned(), RefOr::T(content));
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa::openapi::path::OperationBuilder;
    use utoipa::openapi::request_body::RequestBody;

    fn statuses(operation: &Operation) -> Vec<&str> {
        operation.responses.responses.keys().map(String::as_str).collect()
    }

    #[test]
    fn each_refusal_is_a_problem_and_what_a_handler_says_of_its_own_stands() {
        let own = ResponseBuilder::new().description("the setup token is wrong").build();
        let done = ResponseBuilder::new().description("").build();
        let mut operation = OperationBuilder::new().response("401", own).response("204", done).build();
        describe(&mut operation, false);
        assert_eq!(statuses(&operation), ["204", "401", "default"]);
        let RefOr::T(refusal) = &operation.responses.responses["401"] else {
            unreachable!("it is no reference")
        };
        assert_eq!(refusal.description, "the setup token is wrong");
        assert_eq!(refusal.content.keys().collect::<Vec<_>>(), [PROBLEM]);
        let RefOr::T(done) = &operation.responses.responses["204"] else {
            unreachable!("it is no reference")
        };
        assert!(done.content.is_empty());
    }

    #[test]
    fn a_guard_a_body_and_parameters_have_refusals_of_their_own() {
        let mut guarded = OperationBuilder::new().build();
        describe(&mut guarded, true);
        assert_eq!(statuses(&guarded), ["401", "403", "default"]);
        let mut posted = OperationBuilder::new().request_body(Some(RequestBody::new())).build();
        describe(&mut posted, false);
        assert_eq!(statuses(&posted), ["400", "413", "415", "422", "default"]);
    }
}
