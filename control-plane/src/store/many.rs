//! Statements about many rows at once.
//!
//! Their texts differ by the number of rows alone. So rows are taken in parts whose lengths are powers of two: there are few
//! texts, which each connection prepares once, and no more values than an engine takes.
//!
//! A list of rows is joined so that an engine without statistics cannot but go through the list and look each row up: the tenant is
//! in each row, or the table is `CROSS JOIN`ed, which SQLite reads in that order. Where the tenant is a parameter of its own it has
//! gone through all that a tenant has, and through the list for each.

use std::fmt::Write as _;

/// Rows of the longest part. SQLite's library looks for the name of each parameter among all before it, so that what binding costs
/// grows with the square of a part.
const LONGEST: usize = 64;

/// Parts of rows, the longest first.
pub(super) fn parts<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let length = if rest.len() >= LONGEST { LONGEST } else { 1 << rest.len().checked_ilog2()? };
        let (part, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(part)
    })
}

/// Parameters of so many rows, from the parameter of this number on: `($2, $3), ($4, $5)`.
pub(super) fn values(rows: usize, columns: usize, first: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 7);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            // A string takes everything.
            let _ = write!(text, "{comma}${}", first + row * columns + column);
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_rows_in_order_by_few_lengths() {
        for number in [0, 1, 2, 3, 255, 256, 257, 1_000] {
            let rows: Vec<usize> = (0..number).collect();
            let parts: Vec<&[usize]> = parts(&rows).collect();
            assert_eq!(parts.concat(), rows);
            assert!(
                parts.iter().all(|part| part.len().is_power_of_two() && part.len() <= LONGEST),
                "{number}"
            );
            assert!(parts.len() <= number / LONGEST + 8, "{number}");
        }
        assert_eq!(values(2, 2, 2), "($2, $3), ($4, $5)");
    }
}
