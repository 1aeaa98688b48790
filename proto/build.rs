//! Generates the wire types. protox is a compiler of `.proto` files in Rust, so that none has to be installed.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    let files = [
        "opamp/opamp.proto",
        "phoenix/v1/controller.proto",
        "phoenix/v1/experiment.proto",
        "phoenix/v1/generator.proto",
        "phoenix/v1/preview.proto",
        "phoenix/v1/report.proto",
    ];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    let mut descriptors = protox::compile(files, ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors.clone())?;
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    Ok(())
}
