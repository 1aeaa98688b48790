//! One quantity on its way through the inference: mirror step → blocking; window → block → evidence of the fleet.

use std::time::Duration;

use drift::{Blocking, Blocks, Fleet, HarmDirection};

use crate::Error;

/// See the module. Hosts are numbered.
pub(crate) struct Guard {
    fleet: Fleet<usize>,
    mean: Blocks,
    hosts: Vec<Blocks>,
    /// Those that were there when the step began; the fleet's mean is over them.
    members: usize,
}

impl Guard {
    /// After the mirror step, its windows by host. The memory φ is the mean of the hosts' estimates: one host's own, from
    /// hours, scatters too much. Of the hosts, `late` join after the step's start, whose scatter nobody has seen yet:
    /// they are taken for average.
    pub fn new(mirror: &[Vec<f64>], late: usize, window: Duration) -> Result<Self, Error> {
        let start = mirror.len() as u64;
        let all = mirror.first().map_or(0, Vec::len);
        let members = all.saturating_sub(late);
        let estimate = |of: &dyn Fn(&[f64]) -> f64| {
            let windows: Vec<(u64, f64)> = (0..).zip(mirror.iter().map(|window| of(window))).collect();
            Blocking::estimate(&windows, window)
        };
        let alone: Vec<Blocking> =
            (0..members).map(|host| estimate(&|window| window[host])).collect::<Result<_, _>>()?;
        let average = |of: fn(&Blocking) -> f64| alone.iter().map(of).sum::<f64>() / members as f64;
        let phi = average(|blocking| blocking.phi);
        let of_mean = Blocking::of(phi, estimate(&|window| mean(&window[..members]))?.deviation, window)?;
        let of_hosts: Vec<Blocking> =
            alone.iter().map(|alone| Blocking::of(phi, alone.deviation, window)).collect::<Result<_, _>>()?;
        let weights = of_hosts.iter().enumerate().map(|(host, blocking)| (host, 1.0, blocking.clip));
        let mut fleet = Fleet::start(HarmDirection::Higher, of_mean.clip, weights)?;
        let of_late = Blocking::of(phi, average(|blocking| blocking.deviation), window)?;
        (members..all).try_for_each(|host| fleet.join(host, of_late.clip))?;
        let blocks = |blocking: &Blocking| Blocks::new(blocking.windows, start);
        let mut hosts: Vec<Blocks> = of_hosts.iter().map(blocks).collect();
        hosts.resize(all, blocks(&of_late));
        Ok(Self { fleet, mean: blocks(&of_mean), hosts, members })
    }

    /// Takes in the next window of the hosts that are there; whether a block ended with it, so that one may look.
    pub fn see(
        &mut self,
        index: u64,
        window: &[f64],
        is_there: impl Fn(usize) -> bool,
    ) -> Result<bool, Error> {
        let (mut ended, mut sum, mut there) = (false, 0.0, 0_u32);
        for (host, (blocks, value)) in self.hosts.iter_mut().zip(window).enumerate() {
            if !is_there(host) {
                continue;
            }
            if host < self.members {
                sum += value;
                there += 1;
            }
            if let Some(block) = blocks.push(index, *value)? {
                self.fleet.observe_host(&host, block.mean)?;
                ended = true;
            }
        }
        if there > 0
            && let Some(block) = self.mean.push(index, sum / f64::from(there))?
        {
            self.fleet.observe_mean(block.mean)?;
            ended = true;
        }
        Ok(ended)
    }

    pub fn log_e(&self) -> f64 {
        self.fleet.log_e()
    }
}

fn mean(window: &[f64]) -> f64 {
    window.iter().sum::<f64>() / window.len() as f64
}
