//! Any bytes are indexed, as they are or repaired, or refused; what is indexed is written back as the same points.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipelines::batch::cut::{Items, Room, cut};
use pipelines::batch::{Batch, Keep};

fuzz_target!(|bytes: &[u8]| {
    cuts_keep_every_item(bytes);
    let Ok((mut batch, _)) = Batch::parse_repaired(bytes.to_vec().into()) else { return };
    batch.identify();
    let homes = vec![true; batch.resources().len()];
    let all = batch.encode(Keep::Homes(&homes));
    let mut again = match Batch::parse(all.bytes) {
        Ok(again) => again,
        // What is no row is not written, so what is left can be too short for the rows it stands for.
        Err(error) if error.what.contains("nearly empty") => return,
        Err(error) => panic!("what was written is not read: {error}"),
    };
    again.identify();
    assert_eq!(again.point_count(), batch.point_count());
    let identities =
        |batch: &Batch| batch.all_points().iter().map(|point| batch.identity(point)).collect::<Vec<_>>();
    assert_eq!(identities(&again), identities(&batch));
});

fn cuts_keep_every_item(bytes: &[u8]) {
    let [all, few] = [u64::MAX, 3].map(|items| Room { items, bytes: usize::MAX });
    for of in [Items::Points, Items::Records] {
        let Ok(whole) = cut(bytes, of, all, all) else { continue };
        let pieces = cut(bytes, of, few, few).expect("cut before");
        assert!(pieces.iter().all(|piece| (1..=3).contains(&piece.items)));
        let count =
            |pieces: &[pipelines::batch::cut::Piece]| pieces.iter().map(|piece| piece.items).sum::<u64>();
        assert_eq!(count(&whole), count(&pieces));
        for piece in &pieces {
            let again = cut(&piece.message, of, all, all).expect("a request");
            assert_eq!(count(&again), piece.items);
        }
    }
}
