//! The index: one pass over an `ExportMetricsServiceRequest` that notes where everything lies.
//!
//! Nothing is copied. After it every span is in bounds, every text is UTF-8 and every nested value is
//! well-formed, so nothing later has to ask again. A request whose rows would cost far more memory than its
//! bytes (thousands of empty messages) is refused: see [`MIN_BYTES_PER_ROW`].

mod attribute;
mod metric;
pub(crate) mod nested;
mod point;
mod repeat_metric;
mod repeat_scope;
mod resource;
mod resource_filter;

pub(super) use attribute::{read_key_value, read_value};
pub(super) use repeat_scope::ScopeLayout;
pub(crate) use resource_filter::ResourceFilter;

use super::span::Span;
use super::wire::{Malformed, Reader};
use super::{Batch, MAX_BYTES};

/// Rows are some forty times as large as an empty message; real requests spend 20 bytes and more on a row.
/// Asking for this many on average bounds an index to about 15 times its request.
const MIN_BYTES_PER_ROW: usize = 8;

/// Indexes a received request.
pub(super) fn parse(batch: &mut Batch) -> Result<(), Malformed> {
    parse_into(batch, rows_of(batch), request)
}

/// Returns the number of rows a received request may have.
fn rows_of(batch: &Batch) -> usize {
    1024 + batch.source.len() / MIN_BYTES_PER_ROW
}

/// Indexes what we wrote ourselves, of which the number of rows was bounded when it was written.
pub(super) fn parse_own(batch: &mut Batch) -> Result<(), Malformed> {
    parse_into(batch, usize::MAX, request)
}

/// Indexes what `parse` reads of a request, up to so many rows.
fn parse_into(
    batch: &mut Batch,
    rows_left: usize,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let source = batch.source.clone();
    if source.len() > MAX_BYTES {
        return Err(Malformed { offset: MAX_BYTES, what: "a request of 2 GiB or more" });
    }
    let mut layout = std::mem::take(&mut batch.layout);
    layout.forget();
    let mut parser = Parser { buf: &source, batch, rows_left, predecessors: 0..0, layout };
    let parsed = parse(&mut parser);
    parser.batch.layout = parser.layout;
    parsed
}

/// Form in which something was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    /// Form with something else than a row has.
    Odd,
    /// Form with what a row has and nothing else.
    Plain,
    /// Plain form, with what tells its series apart in one piece.
    Regular,
}

impl Shape {
    fn is_plain(self) -> bool {
        self != Self::Odd
    }
}

/// State of the way through a request.
struct Parser<'a> {
    buf: &'a [u8],
    batch: &'a mut Batch,
    rows_left: usize,
    /// Metrics of the scope before that are still to be compared.
    predecessors: std::ops::Range<usize>,
    layout: ScopeLayout,
}

/// Indexes every resource of a request.
fn request(parser: &mut Parser<'_>) -> Result<(), Malformed> {
    let mut fields = Reader::new(parser.buf, Span::received(0, parser.buf.len()));
    while let Some(field) = fields.next()? {
        if field.number == 1 {
            parser.resource_metrics(field.message()?)?;
        }
    }
    Ok(())
}

impl Parser<'_> {
    /// Counts a row of a message at this offset.
    fn row(&mut self, at: usize) -> Result<(), Malformed> {
        match self.rows_left.checked_sub(1) {
            Some(left) => self.rows_left = left,
            None => {
                return Err(Malformed {
                    offset: at,
                    what: "too many nearly empty messages for the request's size",
                });
            }
        }
        Ok(())
    }
}
