"""Sends a counter, a gauge and a histogram by the Python SDK: sender.py TRANSPORT COMPRESSION ENDPOINT NAME.

TRANSPORT is grpc or http/protobuf, COMPRESSION none, gzip or deflate. Exits with 1 unless all was taken.
"""

import sys

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource


def exporter(transport, compression, endpoint):
    if transport == "grpc":
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

        modes = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
        return OTLPMetricExporter(endpoint=endpoint, insecure=True, compression=modes[compression])
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter(endpoint=f"http://{endpoint}/v1/metrics", compression=Compression(compression))


def main():
    transport, compression, endpoint, name = sys.argv[1:]
    sends = exporter(transport, compression, endpoint)
    taken = []
    export = sends.export

    def counted(*arguments, **named):
        result = export(*arguments, **named)
        taken.append(result is MetricExportResult.SUCCESS)
        return result

    sends.export = counted
    reader = PeriodicExportingMetricReader(sends, export_interval_millis=3_600_000)
    provider = MeterProvider(metric_readers=[reader], resource=Resource.create({"service.name": name}))
    meter = provider.get_meter("sender")
    counter = meter.create_counter("sender.counter")
    gauge = meter.create_gauge("sender.gauge")
    histogram = meter.create_histogram("sender.histogram")
    for number in range(1, 6):
        attributes = {"number": str(number), "text": "žluťoučký \U0001f426"}
        counter.add(number, attributes)
        gauge.set(number / 4, attributes)
        histogram.record(number * 10, attributes)
    provider.shutdown()
    sys.exit(0 if taken and all(taken) else 1)


main()
