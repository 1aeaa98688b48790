//! Config files, and which of their pipelines is meant.

use std::path::Path;

use anyhow::Context as _;
use pipelines::config::{CollectorFile, Plan, Signal};
use pipelines::yaml::Problems;

/// Reads a Collector file. Its variables are those of this process.
pub fn read(path: &Path) -> anyhow::Result<Result<CollectorFile, Problems>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(CollectorFile::parse(&path.display().to_string(), &text, &|name| std::env::var(name).ok()))
}

/// The pipeline that is named, or `metrics`, or the only one of metrics.
pub fn choose<'a>(file: &'a CollectorFile, named: Option<&'a str>) -> anyhow::Result<&'a str> {
    if let Some(named) = named {
        return Ok(named);
    }
    let metrics = file.pipelines().iter().filter(|entry| entry.signal == Signal::Metrics);
    let ids: Vec<&str> = metrics.map(|entry| entry.id.as_str()).collect();
    match ids.as_slice() {
        [] => anyhow::bail!("{} has no pipeline of metrics", file.name()),
        [only] => Ok(only),
        several if several.contains(&"metrics") => Ok("metrics"),
        several => {
            anyhow::bail!(
                "{} has several pipelines of metrics: say --pipeline, one of {}",
                file.name(),
                several.join(", ")
            )
        }
    }
}

/// Reads a file and checks the pipeline that is meant.
pub fn plan(path: &Path, named: Option<&str>) -> anyhow::Result<Plan> {
    let file = read(path)??;
    Ok(file.check(choose(&file, named)?)?)
}
