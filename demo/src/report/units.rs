//! Numbers with the units a person would use.

use std::time::Duration;

/// `1,234,567`.
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 {
        text.insert(0, '-');
    }
    text
}

/// `512 B`, `1.5 MB`: powers of 1,000.
pub fn bytes(number: i64) -> String {
    let mut value = number as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if value.abs() < 1_000.0 {
            break;
        }
        value /= 1_000.0;
        unit = larger;
    }
    let digits = if unit == "B" || value.abs() >= 100.0 {
        0
    } else {
        1
    };
    format!("{value:.digits$} {unit}")
}

/// `0.35 ms`, `87 ms`, `1.4 s`.
pub fn time(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1_000.0;
    match millis {
        m if m < 10.0 => format!("{m:.2} ms"),
        m if m < 1_000.0 => format!("{m:.0} ms"),
        m => format!("{:.1} s", m / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(-1_234_567), "-1,234,567");
        assert_eq!(count(100), "100");
    }

    #[test]
    fn units_fit_the_size() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500_000), "1.5 MB");
        assert_eq!(bytes(250_000_000), "250 MB");
        assert_eq!(time(Duration::from_micros(350)), "0.35 ms");
        assert_eq!(time(Duration::from_millis(87)), "87 ms");
        assert_eq!(time(Duration::from_millis(1_400)), "1.4 s");
    }
}
