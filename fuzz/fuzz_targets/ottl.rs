//! Conditions and statements: parsing never panics; what builds, runs, and leaves a request that parses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipelines::Batch;
use pipelines::batch::Keep;
use pipelines::config::CollectorFile;
use pipelines::json::{self, Request};
use pipelines::ottl::syntax::parse;
use pipelines::processors::Pipeline;

const INPUT: &str = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"a","value":{"stringValue":"b"}}]},
"scopeMetrics":[{"scope":{"name":"s"},"metrics":[
{"name":"sum","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"3","attributes":[{"key":"k","value":{"arrayValue":{"values":[{"intValue":"1"}]}}}]},{"asDouble":1.5},{}]}},
{"name":"h","histogram":{"aggregationTemporality":1,"dataPoints":[{"count":"2","sum":3,"bucketCounts":["1","1"],"explicitBounds":[1]}]}},
{"name":"e","exponentialHistogram":{"dataPoints":[{"count":"1","scale":1,"positive":{"bucketCounts":["1"]}}]}},
{"name":"q","summary":{"dataPoints":[{"count":"1","sum":2,"quantileValues":[{"quantile":0.5,"value":1}]}]}}]}]}]}"#;

fn run(processor: &str) {
    let config =
        format!("processors:\n  {processor}\nservice: {{pipelines: {{metrics: {{processors: [p/x]}}}}}}\n")
            .replace("p/x", processor.split(':').next().unwrap_or_default());
    let Ok(file) = CollectorFile::parse("f", &config, &|_| None) else { return };
    let Ok(plan) = file.check("metrics") else { return };
    let request = json::decode(Request::Metrics, INPUT.as_bytes(), INPUT.len()).unwrap();
    let (input, mut output) = (Batch::parse(request.into()).unwrap(), Batch::default());
    if Pipeline::build(&plan, 0).process(&input, 0, &mut output).is_ok() {
        Batch::parse(output.encode(Keep::All).bytes).expect("what leaves is a request");
    }
}

fuzz_target!(|text: &str| {
    let _ = parse::condition(text);
    let _ = parse::statement(text);
    // A text in double quotes; control characters are YAML's business, not OTTL's.
    let quoted: String = text
        .chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            '$' => vec!['$', '$'],
            c => vec![c],
        })
        .collect();
    run(&format!("filter: {{ metrics: {{ datapoint: [\"{quoted}\"] }} }}"));
    run(&format!(
        "transform: {{ metric_statements: [{{ context: datapoint, statements: [\"{quoted}\"] }}] }}"
    ));
    run(&format!("transform: {{ metric_statements: [{{ context: metric, statements: [\"{quoted}\"] }}] }}"));
});
