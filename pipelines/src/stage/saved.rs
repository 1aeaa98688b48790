//! State of stages as bytes, with which a later process goes on.
//!
//! Numbers are little endian. What always holds: any bytes are read as a state or refused, and never past their end.

use crate::batch::Number;

/// Value that is written as bytes and read back.
pub(crate) trait Saved: Sized {
    /// Appends it.
    fn save(&self, out: &mut Vec<u8>);

    /// Takes it off the beginning of `from`; nothing if that does not begin with one.
    fn restore(from: &mut &[u8]) -> Option<Self>;
}

/// Takes so many bytes off the beginning.
pub(crate) fn take<'a>(from: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(bytes)?;
    *from = rest;
    Some(taken)
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Saved for $number {
            fn save(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }

            fn restore(from: &mut &[u8]) -> Option<Self> {
                let (number, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*number))
            }
        }
    )*};
}

numbers!(u8, i32, u32, i64, u64, u128, f64);

impl Saved for bool {
    fn save(&self, out: &mut Vec<u8>) {
        u8::from(*self).save(out);
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        match u8::restore(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Saved> Saved for Option<T> {
    fn save(&self, out: &mut Vec<u8>) {
        self.is_some().save(out);
        if let Some(value) = self {
            value.save(out);
        }
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::restore(from)? { Some(T::restore(from)?) } else { None })
    }
}

impl<T: Saved> Saved for Vec<T> {
    fn save(&self, out: &mut Vec<u8>) {
        (self.len() as u64).save(out);
        self.iter().for_each(|value| value.save(out));
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        let length = u64::restore(from)?;
        let mut values = Self::new();
        for _ in 0..length {
            values.push(T::restore(from)?);
        }
        Some(values)
    }
}

impl<T: Saved + Copy + Default, const N: usize> Saved for [T; N] {
    fn save(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.save(out));
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        let mut values = [T::default(); N];
        for value in &mut values {
            *value = T::restore(from)?;
        }
        Some(values)
    }
}

impl<A: Saved, B: Saved> Saved for (A, B) {
    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
        self.1.save(out);
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        Some((A::restore(from)?, B::restore(from)?))
    }
}

impl Saved for Number {
    fn save(&self, out: &mut Vec<u8>) {
        match self {
            Self::None => 0_u8.save(out),
            Self::Int(value) => {
                1_u8.save(out);
                value.save(out);
            }
            Self::Double(value) => {
                2_u8.save(out);
                value.save(out);
            }
        }
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        match u8::restore(from)? {
            0 => Some(Self::None),
            1 => i64::restore(from).map(Self::Int),
            2 => f64::restore(from).map(Self::Double),
            _ => None,
        }
    }
}
