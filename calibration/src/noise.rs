//! The laws of what is new in every window: mean 0 and deviation 1 each.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal, StudentT};
use rand_pcg::Pcg64Mcg;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// The normal law.
    Gaussian,
    /// Student's t with 3 degrees of freedom, scaled.
    HeavyTails,
    /// +0.1 at 95 %, −1.9 at 5 %, scaled: the median lies on the side that is looked at.
    Skewed,
    /// The same turned round: seldom, much on the side that is looked at.
    SkewedBack,
    /// Once in 200 windows ten deviations more, on the side that is looked at.
    Spikes,
    /// The same on the other side.
    SpikesBack,
}

impl Noise {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Gaussian, Self::HeavyTails, Self::Skewed, Self::SkewedBack, Self::Spikes, Self::SpikesBack];
    /// Those of hosts that differ.
    pub(crate) const MIXED: [Self; 4] = [Self::Gaussian, Self::HeavyTails, Self::Skewed, Self::SkewedBack];

    /// Distance from the margin at which the mean, clipped at two deviations, is at most at it: clipping takes off what
    /// pays for much.
    pub(crate) fn mean_inside(self) -> f64 {
        match self {
            Self::Skewed => -0.12,
            Self::SpikesBack => -0.045,
            _ => 0.0,
        }
    }

    pub(crate) fn draw(self, rng: &mut Pcg64Mcg) -> f64 {
        match self {
            Self::Gaussian => StandardNormal.sample(rng),
            // Its deviation is √3.
            Self::HeavyTails => student(rng) / 3.0_f64.sqrt(),
            Self::Skewed => skewed(rng),
            Self::SkewedBack => -skewed(rng),
            Self::Spikes => spikes(rng),
            Self::SpikesBack => -spikes(rng),
        }
    }
}

fn student(rng: &mut Pcg64Mcg) -> f64 {
    StudentT::new(3.0).map_or(0.0, |law| law.sample(rng))
}

/// Its deviation is √0.19.
fn skewed(rng: &mut Pcg64Mcg) -> f64 {
    let rare = rng.random::<f64>() < 0.05;
    (if rare { -1.9 } else { 0.1 }) / 0.19_f64.sqrt()
}

/// Half of its variance is that of the spikes.
fn spikes(rng: &mut Pcg64Mcg) -> f64 {
    const SELDOM: f64 = 0.005;
    const SIZE: f64 = 10.0;
    let spike = if rng.random::<f64>() < SELDOM { SIZE } else { 0.0 };
    let usual: f64 = StandardNormal.sample(rng);
    let scale = (1.0 - SIZE * SIZE * SELDOM * (1.0 - SELDOM)).sqrt();
    spike - SIZE * SELDOM + scale * usual
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_law_has_mean_0_and_deviation_1() {
        for noise in Noise::ALL {
            let mut rng = Pcg64Mcg::seed_from_u64(3);
            let draws: Vec<f64> = (0..400_000).map(|_| noise.draw(&mut rng)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|x| x * x).sum::<f64>() / draws.len() as f64;
            assert!(mean.abs() < 0.01, "{noise:?}: mean {mean}");
            // The fourth moment of t₃ is infinite, so its variance settles slowly.
            assert!((variance - 1.0).abs() < 0.15, "{noise:?}: variance {variance}");
            let inside = |draw: &f64| (draw + noise.mean_inside()).clamp(-2.0, 2.0);
            let clipped = draws.iter().map(inside).sum::<f64>() / draws.len() as f64;
            assert!(clipped < 0.005, "{noise:?}: clipped mean {clipped}");
        }
    }
}
