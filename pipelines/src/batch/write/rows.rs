//! Rows in writing, from resources down to points.

use crate::batch::rows::{MIXED, Marks, MetricKind, MetricRow, PointRow, ResourceRow, ScopeRow};
use crate::batch::span::Span;
use crate::batch::wire::varint_len;

use super::backward::Output;
use super::{Keep, Writer};

impl<O: Output> Writer<'_, O> {
    pub(super) fn request(&mut self) {
        for row in self.batch.resources().iter().rev() {
            let pick = row.home == MIXED && matches!(self.keep, Keep::Homes(_));
            if pick {
                self.mixed_resource(row);
            } else if self.keep.keeps(row.home) {
                self.resource(row, false);
            }
        }
    }

    /// A gathered resource, of which only some points go this way.
    fn mixed_resource(&mut self, row: &ResourceRow) {
        if self.batch.scopes(row).iter().any(|scope| self.keeps_some(scope)) {
            self.resource(row, true);
        }
    }

    fn keeps_some(&self, scope: &ScopeRow) -> bool {
        let mut points = self.batch.metrics(scope).iter().flat_map(|metric| self.batch.points(metric));
        points.any(|point| self.keep.keeps(point.home))
    }

    fn resource(&mut self, row: &ResourceRow, pick: bool) {
        let end = self.out.written();
        if row.touched.any() || row.raw.is_none() || pick {
            if !is_plain(row.touched, row.raw) {
                self.splice_except(row.raw, &[1, 2, 3]);
            }
            self.text(3, row.schema_url);
            for scope in self.batch.scopes(row).iter().rev() {
                if !pick || self.keeps_some(scope) {
                    self.scope(scope, pick);
                }
            }
            self.resource_own(row);
        } else {
            self.points += self.batch.count(row);
            self.span(row.raw);
        }
        self.out.close(1, end);
    }

    /// The `Resource` or `InstrumentationScope` message of a row that is encoded again.
    fn own(&mut self, own: Span, touched: bool, except: &[u32], number: u32, attributes: impl Fn(&mut Self)) {
        if own.is_none() && !touched {
            return;
        }
        let end = self.out.written();
        if touched {
            self.splice_except(own, except);
            attributes(self);
        } else {
            self.span(own);
        }
        self.out.close(number, end);
    }

    pub(super) fn resource_own(&mut self, row: &ResourceRow) {
        self.own(row.own, row.touched.own(), &[1], 1, |writer| writer.attributes(row.attrs, 1));
    }

    pub(super) fn scope_own(&mut self, row: &ScopeRow) {
        self.own(row.own, row.touched.own(), &[1, 2, 3], 1, |writer| {
            writer.attributes(row.attrs, 3);
            writer.text(2, row.version);
            writer.text(1, row.name);
        });
    }

    fn scope(&mut self, row: &ScopeRow, pick: bool) {
        let end = self.out.written();
        if row.touched.any() || row.raw.is_none() || pick {
            if !is_plain(row.touched, row.raw) {
                self.splice_except(row.raw, &[1, 2, 3]);
            }
            self.text(3, row.schema_url);
            for metric in self.batch.metrics(row).iter().rev() {
                self.metric(metric, pick);
            }
            self.scope_own(row);
        } else {
            self.points += self.batch.metrics(row).iter().map(|m| m.points.len() as u64).sum::<u64>();
            self.span(row.raw);
        }
        self.out.close(2, end);
    }

    fn metric(&mut self, row: &MetricRow, pick: bool) {
        if pick && !self.batch.points(row).iter().any(|point| self.keep.keeps(point.home)) {
            return;
        }
        let end = self.out.written();
        if row.touched.any() || row.raw.is_none() || pick {
            if !is_plain(row.touched, row.raw) {
                self.splice_except(row.raw, &[1, 2, 3, 5, 7, 9, 10, 11]);
            }
            self.metric_fields(row, pick);
        } else {
            self.points += row.points.len() as u64;
            self.span(row.raw);
        }
        self.out.close(2, end);
    }

    fn metric_fields(&mut self, row: &MetricRow, pick: bool) {
        let end = self.out.written();
        if row.kind != MetricKind::None {
            self.data(row, pick);
            // What stands before the data of a regular metric, its tag included, is spliced in one piece.
            if row.touched.is_regular() && !row.touched.own() && !row.raw.is_scratch() {
                self.out.varint((self.out.written() - end) as u64);
                let head = row.data.start() - varint_len(row.data.len() as u64);
                return self.out.splice(self.batch.source(), row.raw.start(), head);
            }
            self.out.close(row.kind as u32, end);
        }
        self.text(3, row.unit);
        self.text(2, row.description);
        self.text(1, row.name);
    }

    fn data(&mut self, row: &MetricRow, pick: bool) {
        if !is_plain(row.touched, row.data) {
            self.splice_except(row.data, &[1, 2, 3]);
        }
        if row.monotonic {
            self.out.put(&[3 << 3, 1]);
        }
        if row.temporality != 0 {
            self.out.put(&[2 << 3, row.temporality]);
        }
        for point in self.batch.points(row).iter().rev() {
            if !pick || self.keep.keeps(point.home) {
                self.point(point, row.kind);
                self.points += 1;
            }
        }
    }

    fn point(&mut self, row: &PointRow, kind: MetricKind) {
        let end = self.out.written();
        self.point_fields(row, kind);
        self.out.close(1, end);
    }

    pub(super) fn point_fields(&mut self, row: &PointRow, kind: MetricKind) {
        if row.touched.any() {
            let attributes = kind.attributes_field();
            self.attributes(row.attrs, attributes);
            if !kind.has_numbers() {
                self.splice_except(row.raw, &[2, 3, attributes]);
                self.fixed64(3, row.time);
                return self.fixed64(2, row.start);
            }
            if !is_plain(row.touched, row.raw) {
                self.splice_except(row.raw, &[2, 3, 4, 6, attributes]);
            }
            self.head(row);
        } else {
            self.span(row.raw);
        }
    }
}

/// Returns whether a received encoding, if it is the one that is meant, held nothing to splice.
fn is_plain(touched: Marks, raw: Span) -> bool {
    touched.plain() && !raw.is_scratch()
}
