//! Requests of limited size, cut from one request of any size.
//!
//! No item is read and none is changed: every piece has copies of the resources, scopes and metrics that its items lie in, in
//! the order of the request. Containers without items are in no piece.
//! Spec: <https://github.com/open-telemetry/opentelemetry-proto>, the three service requests.

use bytes::Bytes;

use super::data::write;
use super::span::Span;
use super::wire::{Malformed, Reader, Wire};

/// Kind of the items of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Items {
    /// Data points, which lie in the data of a metric.
    Points,
    /// Spans or log records, which lie in a scope.
    Records,
}

/// Limits of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Room {
    /// Items.
    pub items: u64,
    /// Bytes.
    pub bytes: usize,
}

/// A piece of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The piece, a request by itself; empty if it has no items.
    pub message: Bytes,
    /// Its items.
    pub items: u64,
}

/// Cuts `request` into pieces that fit into `each`, but for the first one, which fits into `first` and has no items where
/// nothing does. A single item that is larger than `each` is a piece of its own.
///
/// # Errors
/// [`Malformed`] where the bytes stop being protobuf on the way to the items.
pub fn cut(request: &[u8], of: Items, first: Room, each: Room) -> Result<Vec<Piece>, Malformed> {
    let mut cutter =
        Cutter { source: request, of, room: first, each, path: Vec::new(), items: 0, pieces: Vec::new() };
    cutter.container(0, Span::received(0, request.len()))?;
    Ok(cutter.pieces)
}

/// The most bytes of a tag and a length.
const FRAME: usize = 6;

struct Cutter<'a> {
    source: &'a [u8],
    of: Items,
    /// Room of the piece under way.
    room: Room,
    each: Room,
    /// Containers on the way to the item: request, resource, scope, metric, data.
    path: Vec<Container>,
    /// Items of the piece under way.
    items: u64,
    pieces: Vec<Piece>,
}

/// A container on the way to the items.
#[derive(Default)]
struct Container {
    /// Its field in the container around it.
    tag: u8,
    /// Fields that it has in every piece.
    repeated: Vec<u8>,
    /// Fields that are not known here, for the first piece.
    once: Vec<u8>,
    /// Its body in the piece under way; nothing before its first item.
    body: Option<Vec<u8>>,
}

impl Cutter<'_> {
    /// Tells whether a field leads on to the items, or is one.
    fn leads(&self, level: usize, number: u32) -> bool {
        match (level, self.of) {
            (0, _) => number == 1,
            (1 | 2, _) => number == 2,
            (3, Items::Points) => matches!(number, 5 | 7 | 9 | 10 | 11),
            (4, Items::Points) => number == 1,
            _ => false,
        }
    }

    /// Tells whether what a field leads to are the items.
    fn is_last(&self, level: usize) -> bool {
        level == if self.of == Items::Points { 4 } else { 2 }
    }

    /// Cuts the container at `span`, which lies in `level` others.
    fn container(&mut self, tag: u8, span: Span) -> Result<(), Malformed> {
        let level = self.path.len();
        let mut container = Container { tag, ..Container::default() };
        let mut inner = Vec::new();
        let mut reader = Reader::new(self.source, span);
        while let Some(field) = reader.next()? {
            match field.value {
                Wire::Len(inside) if self.leads(level, field.number) => {
                    inner.push(((field.number << 3 | 2) as u8, inside));
                }
                _ => {
                    let into = if repeats(level, field.number) {
                        &mut container.repeated
                    } else {
                        &mut container.once
                    };
                    into.extend_from_slice(&self.source[field.at..reader.position()]);
                }
            }
        }
        self.path.push(container);
        for (tag, inside) in inner {
            if self.is_last(level) {
                self.item(tag, inside);
            } else {
                self.container(tag, inside)?;
            }
        }
        self.close();
        Ok(())
    }

    /// Adds an item to the piece under way, or to the next one where it does not fit.
    fn item(&mut self, tag: u8, span: Span) {
        let bytes = &self.source[span.start()..span.end()];
        let is_first = self.pieces.is_empty();
        let fits = self.items < self.room.items && self.bytes() + FRAME + bytes.len() <= self.room.bytes;
        if !fits && (self.items > 0 || is_first) {
            self.finish();
        }
        for container in &mut self.path {
            container.body.get_or_insert_with(|| {
                let mut body = container.repeated.clone();
                body.append(&mut container.once);
                body
            });
        }
        if let Some(body) = self.path.last_mut().and_then(|container| container.body.as_mut()) {
            field(body, tag, bytes);
        }
        self.items += 1;
    }

    /// Bytes of the piece under way with the containers that another item needs, at most.
    fn bytes(&self) -> usize {
        let of = |container: &Container| {
            let body = container.body.as_ref();
            FRAME + body.map_or(container.repeated.len() + container.once.len(), Vec::len)
        };
        self.path.iter().map(of).sum()
    }

    /// Ends the innermost container: what it has in the piece under way becomes a field of the one around it.
    fn close(&mut self) {
        let Some(Container { tag, body: Some(body), .. }) = self.path.pop() else { return };
        match self.path.last_mut().and_then(|around| around.body.as_mut()) {
            Some(around) => field(around, tag, &body),
            None => self.add(body),
        }
    }

    /// Ends the piece under way; the containers go on in the next one.
    fn finish(&mut self) {
        for inner in (1..self.path.len()).rev() {
            let (around, inside) = self.path.split_at_mut(inner);
            if let (Some(around), Some(container)) = (around.last_mut(), inside.first_mut())
                && let (Some(around), Some(body)) = (&mut around.body, container.body.take())
            {
                field(around, container.tag, &body);
            }
        }
        let body = self.path.first_mut().and_then(|request| request.body.take());
        self.add(body.unwrap_or_default());
    }

    fn add(&mut self, message: Vec<u8>) {
        self.pieces.push(Piece { message: message.into(), items: self.items });
        (self.items, self.room) = (0, self.each);
    }
}

/// Tells whether a field says something of the container as a whole, and not of some of its items.
fn repeats(level: usize, number: u32) -> bool {
    match level {
        1 | 2 => matches!(number, 1 | 3),
        3 => matches!(number, 1..=3 | 12),
        4 => matches!(number, 2 | 3),
        _ => false,
    }
}

fn field(into: &mut Vec<u8>, tag: u8, body: &[u8]) {
    into.push(tag);
    write::varint(into, body.len() as u64);
    into.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
    };
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    const ANY: Room = Room { items: u64::MAX, bytes: usize::MAX };

    fn points(from: u64, count: u64) -> Vec<NumberDataPoint> {
        (from..from + count)
            .map(|time_unix_nano| NumberDataPoint { time_unix_nano, ..Default::default() })
            .collect()
    }

    fn metric(name: &str, data: Data) -> Metric {
        Metric { name: name.to_owned(), unit: "By".to_owned(), data: Some(data), ..Default::default() }
    }

    /// So many points a metric, of a gauge and a sum in each of the scopes and resources.
    fn request(resources: u64, scopes: u64, each: u64) -> ExportMetricsServiceRequest {
        let scope = |at: u64| {
            let gauge = Data::Gauge(Gauge { data_points: points(at * 1_000, each) });
            let sum = Sum {
                data_points: points(at * 1_000 + 500, each),
                aggregation_temporality: 2,
                is_monotonic: true,
            };
            ScopeMetrics {
                metrics: vec![metric("gauge", gauge), metric("sum", Data::Sum(sum))],
                schema_url: format!("scope {at}"),
                ..Default::default()
            }
        };
        let resource = |at: u64| ResourceMetrics {
            scope_metrics: (0..scopes).map(|scope_at| scope(at * scopes + scope_at)).collect(),
            schema_url: format!("resource {at}"),
            ..Default::default()
        };
        ExportMetricsServiceRequest { resource_metrics: (0..resources).map(resource).collect() }
    }

    /// Every point with all that it lies in.
    fn flat(request: &ExportMetricsServiceRequest) -> Vec<String> {
        let mut all = Vec::new();
        for resource in &request.resource_metrics {
            for scope in &resource.scope_metrics {
                for metric in &scope.metrics {
                    let mut bare = metric.clone();
                    let taken = match bare.data.as_mut() {
                        Some(Data::Gauge(gauge)) => std::mem::take(&mut gauge.data_points),
                        Some(Data::Sum(sum)) => std::mem::take(&mut sum.data_points),
                        _ => Vec::new(),
                    };
                    let within = format!("{} {} {bare:?}", resource.schema_url, scope.schema_url);
                    all.extend(taken.iter().map(|point| format!("{within} {}", point.time_unix_nano)));
                }
            }
        }
        all
    }

    fn decoded(piece: &Piece) -> ExportMetricsServiceRequest {
        ExportMetricsServiceRequest::decode(piece.message.clone()).expect("a request")
    }

    proptest! {
        #[test]
        fn pieces_hold_every_point_once_in_order_within_its_containers_and_their_room(
            resources in 0..4_u64, scopes in 0..3_u64, each in 0..9_u64,
            first in 0..20_u64, most in 1..20_u64, bytes in prop::option::of(80..600_usize),
        ) {
            let request = request(resources, scopes, each);
            let [first, most] = [first, most].map(|items| Room { items, bytes: bytes.unwrap_or(usize::MAX) });
            let pieces = cut(&request.encode_to_vec(), Items::Points, first, most).expect("pieces");
            let together: Vec<String> = pieces.iter().flat_map(|piece| flat(&decoded(piece))).collect();
            prop_assert_eq!(together, flat(&request));
            for (at, piece) in pieces.iter().enumerate() {
                prop_assert_eq!(piece.items as usize, flat(&decoded(piece)).len());
                let room = if at == 0 { first } else { most };
                prop_assert!(piece.items <= room.items, "{}", piece.items);
                prop_assert!(piece.message.len() <= room.bytes || piece.items == 1 && at > 0);
                prop_assert!(piece.items > 0 || at == 0, "only the first one may be empty");
            }
            if bytes.is_none() && first == most {
                let all = resources * scopes * each * 2;
                prop_assert_eq!(pieces.len() as u64, all.div_ceil(most.items));
            }
        }
    }

    #[test]
    fn log_records_are_cut_as_points_are() {
        let record = |at: u64| LogRecord { time_unix_nano: at, ..Default::default() };
        let scope = ScopeLogs { log_records: (0..5).map(record).collect(), ..Default::default() };
        let logs = ResourceLogs { scope_logs: vec![scope.clone(), scope], ..Default::default() };
        let request = ExportLogsServiceRequest { resource_logs: vec![logs] };
        let each = Room { items: 4, ..ANY };
        let pieces = cut(&request.encode_to_vec(), Items::Records, each, each).expect("pieces");
        assert_eq!(pieces.iter().map(|piece| piece.items).collect::<Vec<_>>(), [4, 4, 2]);
        let second = ExportLogsServiceRequest::decode(pieces[1].message.clone()).expect("a request");
        let times = second.resource_logs[0].scope_logs.iter().flat_map(|scope| &scope.log_records);
        assert_eq!(times.map(|record| record.time_unix_nano).collect::<Vec<_>>(), [4, 0, 1, 2]);
    }

    #[test]
    fn fields_that_are_not_known_stay_in_one_piece() {
        let mut resource = request(1, 1, 3).resource_metrics[0].encode_to_vec();
        field(&mut resource, 0x7a, b"of tomorrow");
        let mut request = Vec::new();
        field(&mut request, 0x0a, &resource);
        let each = Room { items: 2, ..ANY };
        let pieces = cut(&request, Items::Points, each, each).expect("pieces");
        let with = |piece: &&Piece| piece.message.windows(11).any(|bytes| bytes == b"of tomorrow");
        assert_eq!((pieces.len(), pieces.iter().filter(with).count()), (3, 1));
    }

    #[test]
    fn any_truncation_is_an_error_or_a_shorter_request() {
        let whole = request(2, 2, 3).encode_to_vec();
        let each = Room { items: 2, ..ANY };
        for end in 0..whole.len() {
            if let Ok(pieces) = cut(&whole[..end], Items::Points, each, each) {
                assert!(pieces.iter().map(|piece| piece.items).sum::<u64>() < 24);
            }
        }
    }
}
