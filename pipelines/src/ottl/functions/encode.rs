//! Base64, hexadecimal and character encodings.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::getters::bytes_like;
use crate::ottl::run::value::Val;

use super::{Args, Call, ParamType, Preparation, Signature, converter, fixed_text, optional, required};

pub(super) const TABLE: &[Signature] = &[
    converter("Hex", &[required("target", ParamType::BytesLike)], |args| {
        let value = args.value(0)?;
        Ok(Val::text(hex::encode(&bytes_like(&value)?)))
    }),
    converter("Base64Decode", &[required("target", ParamType::Text)], |args| {
        Ok(Val::text(decode_base64(&args.text(0)?, b"base64").ok_or(NOT_BASE64)?))
    }),
    converter(
        "Base64Encode",
        &[required("target", ParamType::Text), optional("variant", ParamType::Text)],
        base64_encode,
    ),
    converter("Decode", &[required("target", ParamType::Any), required("encoding", ParamType::Text)], decode)
        .prepared(check_encoding),
];

const NOT_BASE64: Failure = Failure("not base64");
const UNKNOWN: Failure = Failure("an encoding that is not known here");

/// The engine of a variant; decoding overlooks line breaks and left-over bits, as Go's does.
fn engine(variant: &[u8]) -> Option<GeneralPurpose> {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let raw = config
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone);
    Some(match variant {
        b"base64" => GeneralPurpose::new(&STANDARD, config),
        b"base64-raw" => GeneralPurpose::new(&STANDARD, raw),
        b"base64-url" => GeneralPurpose::new(&URL_SAFE, config),
        b"base64-raw-url" => GeneralPurpose::new(&URL_SAFE, raw),
        _ => return None,
    })
}

fn decode_base64(text: &[u8], variant: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    engine(variant)?.decode(text).ok()
}

fn base64_encode<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let text = args.text(0)?;
    let variant = if args.has(1) { args.text(1)? } else { b"base64".into() };
    Ok(Val::text(engine(&variant).ok_or(UNKNOWN)?.encode(&*text)))
}

fn check_encoding(call: &Call) -> Result<Preparation, String> {
    match fixed_text(call, 1) {
        Some(name) if !is_known(name) => {
            Err(format!("the encoding {:?} is not known here", String::from_utf8_lossy(name)))
        }
        _ => Ok(Preparation::Nothing),
    }
}

fn is_known(name: &[u8]) -> bool {
    engine(name).is_some() || charset(name).is_some()
}

#[derive(Clone, Copy)]
enum Charset {
    /// Also what is called ASCII: what is not valid becomes the replacement character.
    Utf8,
    AsIs,
    Utf16 {
        big: bool,
    },
    Latin1,
}

fn charset(name: &[u8]) -> Option<Charset> {
    Some(match name.to_ascii_lowercase().as_slice() {
        b"utf-8" | b"utf8" | b"ascii" | b"us-ascii" | b"" => Charset::Utf8,
        b"utf-8-raw" | b"utf8-raw" | b"nop" => Charset::AsIs,
        b"utf-16" | b"utf16" | b"utf-16le" => Charset::Utf16 { big: false },
        b"utf-16be" => Charset::Utf16 { big: true },
        b"iso-8859-1" | b"iso_8859-1" | b"latin1" => Charset::Latin1,
        _ => return None,
    })
}

fn decode<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let value = args.value(0)?;
    let (Val::Text(bytes) | Val::Bytes(bytes)) = &value else {
        return Err(Failure("only a text or bytes can be decoded"));
    };
    let name = args.text(1)?;
    if engine(&name).is_some() {
        return Ok(Val::text(decode_base64(bytes, &name).ok_or(NOT_BASE64)?));
    }
    Ok(match charset(&name).ok_or(UNKNOWN)? {
        Charset::AsIs => Val::text(bytes.to_vec()),
        Charset::Utf8 => Val::text(String::from_utf8_lossy(bytes).into_owned()),
        Charset::Latin1 => Val::text(bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
        Charset::Utf16 { big } => {
            let units = bytes.chunks(2).map(|pair| match (pair, big) {
                ([high, low], true) => u16::from_be_bytes([*high, *low]),
                ([low, high], false) => u16::from_le_bytes([*low, *high]),
                _ => 0xfffd,
            });
            Val::text(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>())
        }
    })
}
