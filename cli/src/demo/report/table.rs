//! One look for all tables: the first columns are words, the others numbers.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

/// A titled table whose columns from `first_number` on are aligned to the right.
pub fn render(caption: &str, header: &[&str], first_number: usize, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header.to_vec()).add_rows(rows);
    for column in table.column_iter_mut().skip(first_number) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines = table.lines().map(|line| format!("  {}", line.trim_end())).collect::<Vec<_>>();
    format!("\n  {caption}\n{}", lines.join("\n"))
}
