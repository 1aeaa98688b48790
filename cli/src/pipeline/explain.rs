//! The account as a table: which rule dropped and changed what.

use pipelines::processors::RuleStats;

use crate::table;

/// Renders what the rules of a pipeline did, in their order.
pub fn render(account: &[RuleStats]) -> String {
    let rows = account.iter().map(|rule| {
        let (series, exact) = rule.series.count();
        vec![
            rule.stage.to_string(),
            rule.rule.clone(),
            rule.dropped.to_string(),
            rule.changed.to_string(),
            if exact { series.to_string() } else { format!("≈ {series}") },
        ]
    });
    let header = ["stage", "rule", "points dropped", "points changed", "series"];
    let mut text = table::render("What each rule did", &header, 2, rows.collect());
    for rule in account.iter().filter(|rule| !rule.samples.is_empty()) {
        text.push_str(&format!("\n  {}: {}", rule.stage, rule.rule));
        for sample in &rule.samples {
            text.push_str(&format!("\n    e.g. {sample}"));
        }
    }
    text
}
