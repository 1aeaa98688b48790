//! The scenarios of the calibration table, in its order.

use drift::Alpha;

use crate::scenario::{DAY, HOSTS, Path, Scenario, Shift};
use crate::{Kind, Laws, Noise};

/// Looked at together under e-BH.
const QUANTITIES: usize = 40;
const USUAL: Laws = Laws::Same { noise: Noise::Gaussian, phi: 0.6 };

/// See the module.
#[must_use]
pub fn table(alpha: Alpha) -> Vec<Scenario> {
    let table = Table { alpha };
    let parts = [
        table.laws(),
        table.long_memories(),
        table.means_that_move(),
        table.fleets(),
        table.many(),
        table.met_falsely(),
        table.harm(),
        table.harmless(),
    ];
    parts.into_iter().flatten().collect()
}

struct Table {
    alpha: Alpha,
}

fn gaussian(phi: f64) -> Laws {
    Laws::Same { noise: Noise::Gaussian, phi }
}

impl Table {
    fn scenario(&self, kind: Kind, name: impl Into<String>, laws: Laws) -> Scenario {
        Scenario::new(name, kind, laws, self.alpha)
    }

    fn aa(&self, name: impl Into<String>, laws: Laws) -> Scenario {
        self.scenario(Kind::AA, name, laws)
    }

    fn laws(&self) -> Vec<Scenario> {
        let mut rows = Vec::new();
        for (noise, called) in [
            (Noise::Gaussian, "Gaussian"),
            (Noise::HeavyTails, "Student t, 3 degrees"),
            (Noise::Skewed, "skewed"),
            (Noise::SkewedBack, "skewed the other way"),
        ] {
            for phi in [0.0, 0.6, 0.9] {
                rows.push(self.aa(format!("φ = {phi}, {called}"), Laws::Same { noise, phi }));
            }
        }
        for (noise, side) in [(Noise::Spikes, "harmful"), (Noise::SpikesBack, "other")] {
            let name = format!("rare spikes on the {side} side");
            rows.push(self.aa(name, Laws::Same { noise, phi: 0.0 }));
        }
        rows
    }

    /// The shortest mirror that is accepted is where a memory is most easily taken for short.
    fn long_memories(&self) -> Vec<Scenario> {
        let mut rows = Vec::new();
        for phi in [0.95, 0.98, 0.99] {
            rows.push(self.aa(format!("φ = {phi}"), gaussian(phi)));
            rows.push(Scenario { hosts: 1, ..self.aa(format!("φ = {phi}, one host"), gaussian(phi)) });
        }
        let name = "φ = 0.98, hosts that share half their noise";
        rows.push(Scenario { shared: 0.5, ..self.aa(name, gaussian(0.98)) });
        rows
    }

    fn means_that_move(&self) -> Vec<Scenario> {
        let mut rows = Vec::new();
        for phi in [0.6, 0.9] {
            for depth in [0.5, 3.0] {
                let name = format!("the mean's daily cycle of {depth}σ peaks at the margin, φ = {phi}");
                let path = Path::Cycle { peak: 0.0, depth };
                rows.push(Scenario { path, horizon: 3 * DAY, ..self.aa(name, gaussian(phi)) });
            }
        }
        for from in [-0.5, -3.0] {
            let name = format!("the mean drifts from {from}σ to the margin in three days, φ = 0.6");
            rows.push(Scenario { path: Path::Drift { from }, horizon: 3 * DAY, ..self.aa(name, USUAL) });
        }
        for phi in [0.6, 0.9] {
            let name = format!("scatter four times the mirror's, φ = {phi}");
            rows.push(Scenario { scatter: 4.0, ..self.aa(name, gaussian(phi)) });
            let name = format!("the scatter's daily cycle, φ = {phi}");
            rows.push(Scenario { cycle: 0.5, ..self.aa(name, gaussian(phi)) });
        }
        rows
    }

    fn fleets(&self) -> Vec<Scenario> {
        let hosts = HOSTS + 5;
        let name = "hosts that come without a mirror, φ = 0.9";
        let unmirrored = Scenario { unmirrored: 15, ..self.aa(name, gaussian(0.9)) };
        let name = "hosts that come late and go, φ = 0.6";
        let late = Scenario { hosts, late: 5, come_and_go: true, ..self.aa(name, USUAL) };
        let name = "hosts that share half their noise, φ = 0.6";
        let share = Scenario { shared: 0.5, ..self.aa(name, USUAL) };
        vec![share, self.aa("hosts that differ", Laws::Differ), unmirrored, late, self.all()]
    }

    fn all(&self) -> Scenario {
        let name = "hosts that differ, share, come late and go, daily cycle of the scatter";
        let (hosts, late, unmirrored) = (HOSTS + 5, 5, 5);
        let all = self.aa(name, Laws::Differ);
        Scenario { hosts, late, unmirrored, come_and_go: true, shared: 0.5, cycle: 0.5, ..all }
    }

    fn many(&self) -> Vec<Scenario> {
        let quantities = QUANTITIES;
        let name = format!("{QUANTITIES} guardrails, φ = 0.6");
        let plain = Scenario { quantities, ..self.aa(name, USUAL) };
        let all = self.all();
        let name = format!("{QUANTITIES} guardrails, {}", all.name);
        vec![plain, Scenario { name, quantities, ..all }]
    }

    fn met_falsely(&self) -> Vec<Scenario> {
        let new = |name: String, laws| self.scenario(Kind::AtMargin, name, laws);
        let mut rows: Vec<Scenario> = [0.0, 0.6, 0.9, 0.99]
            .map(|phi| new(format!("at the margin, φ = {phi}"), gaussian(phi)))
            .into_iter()
            .collect();
        rows.push(Scenario { hosts: 1, ..new("at the margin, φ = 0.98, one host".into(), gaussian(0.98)) });
        rows.push(new("at the margin, hosts that differ".into(), Laws::Differ));
        let name = "at the margin, scatter four times the mirror's, φ = 0.6".to_owned();
        rows.push(Scenario { scatter: 4.0, ..new(name, USUAL) });
        let name = "the mean's daily cycle has its trough at the margin, φ = 0.6".to_owned();
        rows.push(Scenario { path: Path::Cycle { peak: 1.0, depth: 1.0 }, ..new(name, USUAL) });
        rows
    }

    fn harm(&self) -> Vec<Scenario> {
        let new = |name: String, laws| Scenario { horizon: 3 * DAY, ..self.scenario(Kind::Harm, name, laws) };
        let mut rows = Vec::new();
        for (by, hosts, called) in [(0.2, HOSTS, "0.2σ everywhere"), (2.0, 1, "one host of 20 by 2σ")] {
            for phi in [0.0, 0.6, 0.9] {
                let shift = Some(Shift { by, hosts, from: 0 });
                rows.push(Scenario { shift, ..new(format!("{called}, φ = {phi}"), gaussian(phi)) });
            }
        }
        let shift = Some(Shift { by: 1.5, hosts: HOSTS, from: 2 * DAY });
        let name = "1σ past the margin after two days 0.5σ inside it, φ = 0.6".to_owned();
        rows.push(Scenario { shift, path: Path::Constant(-0.5), horizon: 4 * DAY, ..new(name, USUAL) });
        let name = format!("0.2σ everywhere in one of {QUANTITIES} guardrails, φ = 0.6");
        let shift = Some(Shift { by: 0.2, hosts: HOSTS, from: 0 });
        rows.push(Scenario { shift, quantities: QUANTITIES, ..new(name, USUAL) });
        rows
    }

    fn harmless(&self) -> Vec<Scenario> {
        let mut rows = Vec::new();
        for by in [0.2, 1.0] {
            for phi in [0.0, 0.6, 0.9] {
                let new = self.scenario(
                    Kind::Harmless,
                    format!("{by}σ inside the margin, φ = {phi}"),
                    gaussian(phi),
                );
                rows.push(Scenario { path: Path::Constant(-by), horizon: 3 * DAY, ..new });
            }
        }
        rows
    }
}
