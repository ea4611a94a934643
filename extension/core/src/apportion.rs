//! Sharing a whole number of buckets in proportion to weights: the method of the largest
//! remainder (Hamilton's). Each gets the whole part of its exact share; what is left goes one
//! each to the largest fractional parts.

/// Shares `total` in proportion to `weights`; the shares add up to `total` exactly.
///
/// Where fractional parts are equal, the one that holds more than its whole part already (`holds`)
/// comes first, so that nothing moves for a tie; then the position decides.
/// All weights zero gives all zeros.
pub(crate) fn apportion(total: u32, weights: &[u64], holds: &[u32]) -> Vec<u32> {
    let sum: u128 = weights.iter().map(|&w| u128::from(w)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: u64| u128::from(total) * u128::from(weight);
    let mut shares: Vec<u32> = weights
        .iter()
        .map(|&w| u32::try_from(exact(w) / sum).expect("a share is at most the total"))
        .collect();

    let left = total - shares.iter().sum::<u32>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&i| {
        let fraction = exact(weights[i]) % sum;
        let surplus = i64::from(holds[i]) - i64::from(shares[i]);
        (std::cmp::Reverse(fraction), std::cmp::Reverse(surplus), i)
    });
    for &i in order.iter().take(left as usize) {
        shares[i] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::apportion;

    #[test]
    fn remainders_go_to_the_first() {
        assert_eq!(apportion(8, &[1, 1, 1], &[0, 0, 0]), [3, 3, 2]);
    }

    #[test]
    fn ties_go_to_whoever_holds_more() {
        assert_eq!(apportion(8, &[1, 1, 1], &[0, 3, 4]), [2, 3, 3]);
    }

    #[test]
    fn weights_are_proportions() {
        assert_eq!(apportion(10, &[1, 4], &[0, 0]), [2, 8]);
        assert_eq!(apportion(10, &[0, 0], &[0, 0]), [0, 0]);
    }
}
