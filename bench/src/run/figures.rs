//! The figures that are wanted, and what is wanted of them.

use crate::plan::{Plan, SMALL_KEYS};
use crate::report::{Figure, Row, Wanted};
use crate::site::{Scenario, Site};
use crate::statistics::{median, median_ratio};

/// What the rows add up to. Ratios are taken repetition by repetition.
pub(super) fn of_rows(plan: &Plan, rows: &[Row]) -> Vec<Figure> {
    let row = |scenario| {
        let name = Site::name(plan, scenario);
        rows.iter().find(|row| row.name == name)
    };
    let mut figures = Vec::new();
    let mut ratio = |name: &str, of: fn(&Row) -> Vec<f64>, over: Scenario, under: Scenario| {
        let value = row(over).zip(row(under)).and_then(|(o, u)| median_ratio(&of(o), &of(u)));
        figures.extend(value.map(|value| Figure::one(name.to_owned(), "x", value)));
    };
    ratio("verify cached / HELLO, requests", Row::rates, Scenario::Cached, Scenario::Hello);
    ratio("verify cached / HELLO, CPU", Row::cpu, Scenario::Cached, Scenario::Hello);
    ratio("verify cached / HELLO, p99", Row::p99, Scenario::Cached, Scenario::Hello);
    ratio("verify zipf / HELLO, requests", Row::rates, Scenario::Zipf, Scenario::Hello);
    ratio("verify missed / HELLO, requests", Row::rates, Scenario::Missed, Scenario::Hello);
    ratio("create / HELLO, requests", Row::rates, Scenario::Create, Scenario::Hello);
    ratio("create / fdatasync", Row::rates, Scenario::Create, Scenario::Fdatasync);
    ratio("lone create / SQLite commit", Row::rates, Scenario::LoneCreate, Scenario::SingleCommit);
    // The first store of `growth` is the smallest one.
    for (index, keys) in plan.growth.iter().chain([&plan.keys]).enumerate().skip(1) {
        let name = format!("verify CPU, {keys} keys / {SMALL_KEYS}");
        ratio(&name, Row::cpu, Scenario::Grown(index), Scenario::Grown(0));
    }
    let [few, many] = plan.accounts;
    let name = format!("create CPU, among {many} accounts / {few}");
    ratio(&name, Row::cpu, Scenario::CreateAmong(1), Scenario::CreateAmong(0));
    let bulk = row(Scenario::BulkCreate).and_then(|row| median(&row.rates()));
    figures.extend(bulk.map(|rate| Figure::one("bulk create".to_owned(), "accounts/s", rate)));
    figures
}

/// Notes beside each figure what is wanted of it.
pub(super) fn want(figures: &mut Vec<Figure>) {
    for figure in std::mem::take(figures) {
        figures.push(match wanted(&figure.name) {
            Some(wanted) => figure.wanting(wanted),
            None => figure,
        });
    }
}

fn wanted(name: &str) -> Option<Wanted> {
    use Wanted::{AtLeast, AtMost};
    let wanted = match name {
        "verify cached / HELLO, requests" => AtLeast(0.90),
        "verify cached / HELLO, CPU" => AtMost(1.15),
        "verify cached / HELLO, p99" => AtMost(1.5),
        "verify zipf / HELLO, requests" => AtLeast(0.80),
        "verify missed / HELLO, requests" => AtLeast(0.55),
        "create / HELLO, requests" => AtLeast(0.15),
        "create / fdatasync" => AtLeast(1.5),
        "lone create / SQLite commit" => AtLeast(0.7),
        "bulk create" => AtLeast(10_000.0),
        "start to first answer, new directory" => AtMost(50.0),
        name if name.starts_with("memory per cached key") => AtMost(160.0),
        name if name.starts_with("start to first answer") => AtMost(100.0),
        name if name.starts_with("memory, idle") => AtMost(48.0),
        name if name.starts_with("verify CPU") => AtMost(1.25),
        name if name.starts_with("create CPU") => AtMost(1.1),
        _ => return None,
    };
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::QUICK;
    use crate::sample::Sample;

    fn row(scenario: Scenario, rates: [f64; 3]) -> Row {
        let sample = |rate| Sample { cpu_micros: Some(1e6 / rate), ..Sample::of_rate(rate) };
        Row { name: Site::name(&QUICK, scenario), samples: rates.map(sample).into() }
    }

    #[test]
    fn figures_are_ratios_of_the_same_repetition() {
        let rows = [
            row(Scenario::Hello, [100.0, 50.0, 100.0]),
            row(Scenario::Cached, [80.0, 40.0, 90.0]),
            row(Scenario::Grown(0), [160.0, 80.0, 180.0]),
            row(Scenario::Grown(1), [80.0, 40.0, 90.0]),
        ];
        let mut figures = of_rows(&QUICK, &rows);
        want(&mut figures);
        let value = |name: &str| {
            let figure = figures.iter().find(|figure| figure.name == name).expect(name);
            (figure.value * 1000.0).round() / 1000.0
        };
        assert!((value("verify cached / HELLO, requests") - 0.8).abs() < 1e-9);
        assert!((value("verify cached / HELLO, CPU") - 1.25).abs() < 1e-9);
        assert!((value("verify CPU, 100000 keys / 1000") - 2.0).abs() < 1e-9);
        assert!(
            figures.iter().all(|figure| figure.wanted.is_some() || figure.name.contains("p99"))
        );
    }
}
