//! `phoenix.window`, `phoenix.lenses`, `phoenix.critical` and `phoenix.price`: what is measured.

use std::time::Duration;

use observe::{Critical, Lens, Price};
use pipelines::yaml::{Fields, Node, Problem, keep};

/// Decodes the settings of the measurement; the plans add how long they hold and warm up.
pub fn decode(fields: &mut Fields<'_>, problems: &mut Vec<Problem>) -> observe::Settings {
    let mut settings = observe::Settings::default();
    if let Some(node) = fields.take("window")
        && let Some(window) = keep(node.duration(), problems)
    {
        if window < Duration::from_secs(1) || window > Duration::from_secs(3_600) {
            problems.push(Problem::new(node.location, "a window of this length").expected("1s to 1h"));
        }
        settings.window_nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
    }
    if let Some(node) = fields.take("lenses") {
        settings.lenses = each(node, problems, Lens::read);
    }
    if let Some(node) = fields.take("critical") {
        settings.critical = each(node, problems, Critical::read);
    }
    if let Some(node) = fields.take("price") {
        settings.price = price(node, problems).unwrap_or_default();
    }
    settings
}

fn each<T>(
    node: &Node,
    problems: &mut Vec<Problem>,
    decode: impl Fn(&Node, &mut Vec<Problem>) -> Option<T>,
) -> Vec<T> {
    let items = keep(node.list(), problems).unwrap_or_default();
    items.iter().filter_map(|item| decode(item, problems)).collect()
}

fn price(node: &Node, problems: &mut Vec<Problem>) -> Option<Price> {
    let mut fields = keep(node.map(), problems)?;
    let mut usd = |key| {
        let node = fields.take(key)?;
        let amount = keep(node.float(), problems)?;
        if !(0.0..=1e9).contains(&amount) {
            problems.push(Problem::new(node.location, "no price").expected("US dollars, 0 or more"));
        }
        Some(amount)
    };
    let (series, gigabyte) = (usd("usd_per_1000_active_series"), usd("usd_per_gigabyte"));
    let source =
        fields.take("source").and_then(|node| keep(node.text(), problems)).unwrap_or("`phoenix.price`");
    let promoted_attributes = fields.take("promoted_attributes").map(|node| node.texts(problems));
    fields.finish(problems);
    Some(Price {
        usd_per_1000_active_series: series.unwrap_or_default(),
        usd_per_gigabyte: gigabyte.unwrap_or_default(),
        promoted_attributes,
        source: source.to_owned(),
    })
}
