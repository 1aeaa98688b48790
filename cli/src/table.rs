//! One look for all tables: the first columns are words, the others numbers.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

/// A line above, one under the header, one below.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// A captioned table whose columns from `first_number` on are aligned to the right.
pub fn render(caption: &str, header: &[&str], first_number: usize, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header.to_vec()).add_rows(rows);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((u16::from(at > 0), 1));
        if at >= first_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| format!("  {}", line.trim_end())).collect::<Vec<_>>();
    format!("\n  {caption}\n{}", lines.join("\n"))
}

/// A name of somebody else's, short enough for a column.
pub fn clip(name: &str) -> String {
    clip_to(name, 16)
}

/// At most so many characters of it.
pub fn clip_to(name: &str, longest: usize) -> String {
    if name.chars().count() <= longest {
        return name.to_owned();
    }
    let head: String = name.chars().take(longest.saturating_sub(1)).collect();
    format!("{head}…")
}
