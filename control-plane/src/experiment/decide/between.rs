//! Stretch between two instants, of which a lens of extremes knows nothing: a panel that is asked at other instants shows what peaked
//! there.

use observe::{Lens, LensFunction};

use super::Subject;

/// A sentence about what lies between the instants of a lens that shows the largest or the smallest value; nothing of others.
pub(super) fn sentence(looked: &Subject<'_>, lens: &Lens) -> Option<String> {
    let what = match lens.function {
        LensFunction::Max => "Peaks",
        LensFunction::Min => "Lows",
        _ => return None,
    };
    let apart = humantime::format_duration(looked.spec.window);
    Some(format!("{what} between two instants, which are {apart} apart, are not compared."))
}
