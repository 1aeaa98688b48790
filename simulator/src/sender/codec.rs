//! A gRPC codec that sends bytes as they are: a request is encoded once, however often it is sent.

use prost::Message;
use prost::bytes::{BufMut, Bytes};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;

/// Large enough that a scrape is written in one go.
const BUFFER_BYTES: usize = 256 << 10;

#[derive(Clone, Copy, Debug)]
pub(super) struct EncodedRequests;

impl Codec for EncodedRequests {
    type Encode = Bytes;
    type Decode = ExportMetricsServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for EncodedRequests {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, request: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(request);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, BUFFER_BYTES)
    }
}

impl Decoder for EncodedRequests {
    type Item = ExportMetricsServiceResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let malformed = |error| Status::internal(format!("malformed ExportMetricsServiceResponse: {error}"));
        Self::Item::decode(buffer).map(Some).map_err(malformed)
    }
}
