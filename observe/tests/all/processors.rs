//! A pipeline of processors, as an agent builds it.

#![expect(clippy::panic, reason = "a test fails by panicking, its helpers too")]

use pipelines::config::CollectorFile;
use pipelines::processors::Pipeline;

/// The pipeline of processors that are written as in a Collector's file, such as `filter/a: { … }`, from a time on, Unix
/// nanoseconds.
pub fn pipeline(processors: &[&str], now: u64) -> Pipeline {
    let ids: Vec<&str> = processors.iter().filter_map(|line| line.split(':').next()).collect();
    let defined: String = processors.iter().map(|line| format!("\n  {line}")).collect();
    let section = if defined.is_empty() { String::new() } else { format!("processors:{defined}\n") };
    let config = format!(
        "{section}receivers: {{ otlp: {{}} }}\nexporters: {{ nop: {{}} }}\n\
         service: {{ pipelines: {{ metrics: {{ receivers: [otlp], processors: [{}], exporters: [nop] }} }} }}\n",
        ids.join(", ")
    );
    let file =
        CollectorFile::parse("test.yaml", &config, &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
    Pipeline::build(&file.check("metrics").unwrap_or_else(|problems| panic!("{problems}")), now)
}
