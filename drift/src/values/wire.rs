//! A sketch's bins, as its portable encoding lists them.
//!
//! The library reads that encoding too, but takes any index for a bin, which overflows, and any parameters, so
//! bytes from outside are read and checked here and the sketch is built from the bins. Fields come as a flag
//! byte and a value, each at most once: γ, extremes, count, sum (not used), zeros, and either sign's bins as
//! (distance to the bin before, count). Whole numbers are zigzag varints of at most 9 bytes, counts are f64 with
//! the bits turned so that small whole numbers are short.

use sketches_ddsketch::DDSketch;

use super::{ALPHA, MAX_BINS, MAX_COUNT, SMALLEST, ValuesError, config};

const GAMMA: f64 = (1.0 + ALPHA) / (1.0 - ALPHA);

/// Parts of a sketch.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parts {
    extremes: Option<(f64, f64)>,
    zeros: u64,
    /// (key, count), keys ascending.
    positive: Vec<(i32, u64)>,
    negative: Vec<(i32, u64)>,
}

impl Parts {
    pub(super) fn of(sketch: &DDSketch) -> Self {
        #[expect(clippy::expect_used, reason = "this is the encoding that the sketch itself writes")]
        Self::read(&sketch.to_java_bytes()).expect("a sketch's own bytes")
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, ValuesError> {
        let mut reader = Reader { bytes, at: 0 };
        let (mut gamma, mut count, mut sum, mut zeros) = (None, None, None, None);
        let (mut min, mut max, mut positive, mut negative) = (None, None, None, None);
        while reader.at < bytes.len() {
            let twice = match reader.byte()? {
                0x02 => gamma.replace((reader.f64()?, reader.f64()?)).is_some(),
                0x04 => zeros.replace(reader.count()?).is_some(),
                0x84 => sum.replace(reader.f64()?).is_some(),
                0x88 => min.replace(reader.extreme()?).is_some(),
                0x8C => max.replace(reader.extreme()?).is_some(),
                0xA0 => count.replace(reader.count()?).is_some(),
                0x05 => positive.replace(reader.bins()?).is_some(),
                0x07 => negative.replace(reader.bins()?).is_some(),
                _ => return Err(reader.invalid("expected a field of a logarithmic sketch")),
            };
            if twice {
                return Err(reader.invalid("expected every field once"));
            }
        }
        match gamma {
            Some((GAMMA, 0.0)) => {}
            Some((found, _)) => return Err(ValuesError::Parameters { expected: GAMMA, found }),
            None => return Err(reader.invalid("expected its parameters")),
        }
        let extremes = min.zip(max);
        if extremes.is_some_and(|(min, max)| min > max) {
            return Err(reader.invalid("expected a smallest value not above the largest"));
        }
        let parts = Self {
            extremes,
            zeros: zeros.unwrap_or(0),
            positive: positive.unwrap_or_default(),
            negative: negative.unwrap_or_default(),
        };
        // At most 1025 counts below 2^53 each, and what it counts is below 2^53 too.
        let total = parts.bins().iter().map(|bin| bin.1).sum::<u64>();
        if total != count.unwrap_or(0) {
            return Err(reader.invalid("expected bins that hold as many values as it counts"));
        }
        Ok(parts)
    }

    /// (representative, count), ascending; no representative is beyond the extremes.
    pub(super) fn bins(&self) -> Vec<(f64, u64)> {
        let config = config();
        let (min, max) = self.extremes.unwrap_or((f64::MIN, f64::MAX));
        let value = |key: i32| config.value(key).clamp(SMALLEST.next_up(), f64::MAX);
        let negative = self.negative.iter().rev().map(|(key, count)| (-value(*key), *count));
        let zeros = (self.zeros > 0).then_some((0.0, self.zeros));
        let positive = self.positive.iter().map(|(key, count)| (value(*key), *count));
        negative.chain(zeros).chain(positive).map(|(value, count)| (value.clamp(min, max), count)).collect()
    }

    /// The sketch that has these parts; an error where none has.
    pub(super) fn sketch(&self) -> Result<DDSketch, ValuesError> {
        let mut sketch = DDSketch::new(config());
        let mut bins = self.bins();
        let count: u64 = bins.iter().map(|bin| bin.1).sum();
        // The extremes are known exactly, so they stand for themselves, one in the first bin, one in the last.
        let ends = self.extremes.map_or(0, |_| count.min(2));
        if let Some(first) = bins.first_mut().filter(|_| ends > 0) {
            first.1 -= 1;
        }
        if let Some(last) = bins.last_mut().filter(|_| ends > 1) {
            last.1 -= 1;
        }
        bins.into_iter().for_each(|(value, count)| sketch.add_with_count(value, count));
        let extremes = self.extremes.into_iter().flat_map(|(min, max)| [min, max]);
        extremes.take(ends as usize).for_each(|extreme| sketch.add(extreme));
        if Self::of(&sketch) == *self {
            return Ok(sketch);
        }
        Err(ValuesError::Invalid { at: 0, reason: "expected extremes that lie in the outermost bins" })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn invalid(&self, reason: &'static str) -> ValuesError {
        ValuesError::Invalid { at: self.at, reason }
    }

    fn byte(&mut self) -> Result<u8, ValuesError> {
        let byte = *self.bytes.get(self.at).ok_or(ValuesError::Truncated(self.bytes.len()))?;
        self.at += 1;
        Ok(byte)
    }

    fn f64(&mut self) -> Result<f64, ValuesError> {
        let mut bytes = [0; 8];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(f64::from_le_bytes(bytes))
    }

    fn extreme(&mut self) -> Result<f64, ValuesError> {
        let extreme = self.f64()?;
        if extreme.is_finite() { Ok(extreme) } else { Err(self.invalid("expected finite extremes")) }
    }

    /// Seven bits a byte, lowest first, and all eight of the ninth.
    fn varint(&mut self) -> Result<u64, ValuesError> {
        let mut number = 0;
        for shift in (0..=56).step_by(7) {
            let byte = self.byte()?;
            if byte < 0x80 || shift == 56 {
                return Ok(number | u64::from(byte) << shift);
            }
            number |= u64::from(byte & 0x7F) << shift;
        }
        Ok(number)
    }

    /// Seven bits a byte, highest first, and all eight of the ninth, of (number + 1) less the bits of 1, turned.
    fn count(&mut self) -> Result<u64, ValuesError> {
        let mut bits = 0;
        for shift in (1..=57).rev().step_by(7) {
            let byte = self.byte()?;
            if shift == 1 {
                bits |= u64::from(byte);
                break;
            }
            bits |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        let number = f64::from_bits(bits.rotate_right(6).wrapping_add(1.0_f64.to_bits())) - 1.0;
        if number.fract() == 0.0 && (1.0..=MAX_COUNT as f64).contains(&number) {
            return Ok(number as u64);
        }
        Err(self.invalid("expected a count that is whole, from 1 to 2^53 - 1"))
    }

    fn bins(&mut self) -> Result<Vec<(i32, u64)>, ValuesError> {
        let config = config();
        let keys = i64::from(config.key(SMALLEST))..=i64::from(config.key(f64::MAX));
        let length = self.varint()?;
        if !(1..=u64::from(MAX_BINS)).contains(&length) {
            return Err(self.invalid("expected 1 to 512 bins"));
        }
        let mut bins: Vec<(i32, u64)> = Vec::with_capacity(length as usize);
        for _ in 0..length {
            let zigzag = self.varint()?;
            let step = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
            let before = bins.last().map(|bin| i64::from(bin.0));
            let key = before.unwrap_or(0).saturating_add(step);
            if !keys.contains(&key) || before.is_some_and(|before| key <= before) {
                return Err(self.invalid("expected bins in ascending order, of values that f64 has"));
            }
            bins.push((key as i32, self.count()?));
        }
        let span = bins.last().map_or(0, |last| last.0 - bins[0].0);
        if span >= MAX_BINS as i32 {
            return Err(self.invalid("expected bins that lie within 512 of each other"));
        }
        Ok(bins)
    }
}
