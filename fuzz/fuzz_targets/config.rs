//! Any text is a config or a list of problems; a config that checks also builds and processes a batch.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pipelines::batch::Batch;
use pipelines::config::{CollectorFile, Signal};
use pipelines::processors::Pipeline;

fuzz_target!(|text: &str| {
    let Ok(file) = CollectorFile::parse("fuzz.yaml", text, &|name| (name == "HOME").then(|| "/".to_owned()))
    else {
        return;
    };
    for entry in file.pipelines().iter().filter(|entry| entry.signal == Signal::Metrics) {
        let Ok(plan) = file.check(&entry.id) else { continue };
        let mut output = Batch::default();
        let _ = Pipeline::build(&plan, 0).process(&Batch::default(), 0, &mut output);
    }
});
