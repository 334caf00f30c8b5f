//! Medians, and ratios that are taken repetition by repetition.

/// The middle value; of two, the mean. `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// The median of each value divided by the control's value of the same repetition: what slows the
/// machine for a while slows both.
pub(crate) fn median_ratio(values: &[f64], controls: &[f64]) -> Option<f64> {
    median(&ratios(values, controls))
}

/// Each value divided by the control's value of the same repetition.
pub(crate) fn ratios(values: &[f64], controls: &[f64]) -> Vec<f64> {
    values.iter().zip(controls).map(|(value, control)| value / control).collect()
}

/// The smallest and the largest value. `None` of nothing.
pub(crate) fn range(values: &[f64]) -> Option<(f64, f64)> {
    let smallest = values.iter().copied().min_by(f64::total_cmp)?;
    let largest = values.iter().copied().max_by(f64::total_cmp)?;
    Some((smallest, largest))
}

/// How far apart the smallest and the largest value are, in medians.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    let (smallest, largest) = range(values)?;
    Some((largest - smallest) / median(values)?)
}

/// By how many percent `now` differs from `before`.
pub(crate) fn change_percent(now: f64, before: f64) -> Option<f64> {
    (before > 0.0).then(|| (now / before - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<f64>, wanted: f64) -> bool {
        found.is_some_and(|found| (found - wanted).abs() < 1e-9)
    }

    #[test]
    fn a_median_is_the_middle_and_forgets_what_is_no_number() {
        assert!(near(median(&[5.0, 1.0, 3.0]), 3.0));
        assert!(near(median(&[4.0, 1.0, 3.0, 2.0]), 2.5));
        assert!(near(median(&[f64::NAN, 7.0, f64::INFINITY]), 7.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_slow_repetition_moves_no_ratio() {
        let control = [100.0, 50.0, 100.0];
        assert!(near(median_ratio(&[90.0, 45.0, 90.0], &control), 0.9));
        assert_eq!(median_ratio(&[], &control), None);
    }

    #[test]
    fn a_spread_is_what_lies_between_the_ends() {
        assert!(near(spread(&[90.0, 100.0, 120.0]), 0.3));
        assert_eq!(range(&[3.0, 1.0, 2.0]), Some((1.0, 3.0)));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_change_is_in_percent_of_what_was() {
        assert!(near(change_percent(110.0, 100.0), 10.0));
        assert!(near(change_percent(50.0, 100.0), -50.0));
        assert_eq!(change_percent(1.0, 0.0), None);
    }
}
