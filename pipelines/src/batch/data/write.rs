//! Protobuf fields, written forwards.

/// Appends a varint.
pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length-delimited field.
pub(crate) fn message(out: &mut Vec<u8>, field: u32, content: &[u8]) {
    varint(out, u64::from(field << 3 | 2));
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends a varint field, which is left out where it is 0.
pub(crate) fn integer(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        varint(out, u64::from(field << 3));
        varint(out, value);
    }
}

/// Appends a 64-bit field, 0 or not.
pub(crate) fn fixed(out: &mut Vec<u8>, field: u32, bits: u64) {
    varint(out, u64::from(field << 3 | 1));
    out.extend_from_slice(&bits.to_le_bytes());
}

/// Appends a 64-bit field, which is left out where all its bits are 0.
pub(crate) fn nonzero(out: &mut Vec<u8>, field: u32, bits: u64) {
    if bits != 0 {
        fixed(out, field, bits);
    }
}

/// Appends a double that may be absent.
pub(crate) fn optional(out: &mut Vec<u8>, field: u32, value: Option<f64>) {
    if let Some(value) = value {
        fixed(out, field, value.to_bits());
    }
}

/// Appends a packed field of 64-bit numbers, which is left out where there are none.
pub(crate) fn packed_fixed(out: &mut Vec<u8>, field: u32, numbers: impl ExactSizeIterator<Item = u64>) {
    if numbers.len() > 0 {
        varint(out, u64::from(field << 3 | 2));
        varint(out, numbers.len() as u64 * 8);
        numbers.for_each(|bits| out.extend_from_slice(&bits.to_le_bytes()));
    }
}

/// Appends a packed field of varints, which is left out where there are none.
pub(crate) fn packed_varints(out: &mut Vec<u8>, field: u32, numbers: &[u64]) {
    if !numbers.is_empty() {
        let mut content = Vec::new();
        numbers.iter().for_each(|number| varint(&mut content, *number));
        message(out, field, &content);
    }
}

/// Protobuf's `sint32`.
pub(crate) fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}
