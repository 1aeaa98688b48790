// Sends a counter, a gauge and a histogram by the JavaScript SDK: sender.mjs TRANSPORT COMPRESSION ENDPOINT NAME.
//
// TRANSPORT is grpc, http/protobuf or http/json, COMPRESSION none or gzip. Exits with 1 unless all was taken.
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { resourceFromAttributes } from '@opentelemetry/resources';

const [transport, compression, endpoint, name] = process.argv.slice(2);
const modules = {
  'grpc': '@opentelemetry/exporter-metrics-otlp-grpc',
  'http/protobuf': '@opentelemetry/exporter-metrics-otlp-proto',
  'http/json': '@opentelemetry/exporter-metrics-otlp-http',
};
const { OTLPMetricExporter } = await import(modules[transport]);
const url = transport === 'grpc' ? `http://${endpoint}` : `http://${endpoint}/v1/metrics`;
const exporter = new OTLPMetricExporter({ url, compression });
const taken = [];
const sends = exporter.export.bind(exporter);
exporter.export = (metrics, done) => sends(metrics, (result) => {
  taken.push(result.code === 0);
  if (result.error) console.error(result.error);
  done(result);
});
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
const provider = new MeterProvider({ readers: [reader], resource: resourceFromAttributes({ 'service.name': name }) });
const meter = provider.getMeter('sender');
const counter = meter.createCounter('sender.counter');
const gauge = meter.createGauge('sender.gauge');
const histogram = meter.createHistogram('sender.histogram');
for (let number = 1; number <= 5; number += 1) {
  const attributes = { number: String(number), text: 'žluťoučký \u{1f426}' };
  counter.add(number, attributes);
  gauge.record(number / 4, attributes);
  histogram.record(number * 10, attributes);
}
await provider.shutdown().catch((error) => console.error(error));
process.exit(taken.length > 0 && taken.every(Boolean) ? 0 : 1);
