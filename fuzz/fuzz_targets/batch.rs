//! Any bytes are indexed or refused; what is indexed is written back as the same points.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipelines::batch::{Batch, Keep};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut batch) = Batch::parse(bytes.to_vec().into()) else { return };
    batch.identify();
    let homes = vec![true; batch.resources().len()];
    let all = batch.encode(Keep::Homes(&homes));
    let mut again = Batch::parse(all.bytes).expect("what was written is read");
    again.identify();
    assert_eq!(again.point_count(), batch.point_count());
    let identities = |batch: &Batch| batch.all_points().iter().map(|point| batch.identity(point)).collect::<Vec<_>>();
    assert_eq!(identities(&again), identities(&batch));
});
