//! How many tests passed and failed: sums, and the lines of programs that say so.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::sync::OnceLock;

use regex::Regex;

/// Tests of a level, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tests {
    pub passed: usize,
    pub failed: usize,
}

impl Tests {
    pub const PASSED: Self = Self {
        passed: 1,
        failed: 0,
    };
    pub const FAILED: Self = Self {
        passed: 0,
        failed: 1,
    };

    pub fn one(passed: bool) -> Self {
        if passed {
            Self::PASSED
        } else {
            Self::FAILED
        }
    }

    /// The sum of what a program says that it ran.
    pub fn counted(output: &str) -> Self {
        said(output).sum()
    }

    /// What a program says that it ran: the sum over its lines with `N passed, N failed`, as this one, `cargo test` and
    /// others write it. A program that counts nothing is one test, and one that fails has at least one failed test.
    pub fn of_program(succeeded: bool, output: &str) -> Self {
        let mut tests = Self::counted(output);
        if tests == Self::default() {
            tests = Self::one(succeeded);
        }
        if !succeeded && tests.failed == 0 {
            tests.failed = 1;
        }
        tests
    }
}

impl Add for Tests {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
        }
    }
}

impl Sum for Tests {
    fn sum<I: Iterator<Item = Self>>(tests: I) -> Self {
        tests.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Tests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:>5} passed {:>3} failed",
            self.passed, self.failed
        )
    }
}

fn said(output: &str) -> impl Iterator<Item = Tests> + '_ {
    static LINE: OnceLock<Regex> = OnceLock::new();
    let line = LINE.get_or_init(|| {
        Regex::new(r"(\d+) passed[,;] (\d+) failed").expect("the expression is valid")
    });
    line.captures_iter(output).map(|found| {
        let number = |group: usize| found[group].parse().unwrap_or_default();
        Tests {
            passed: number(1),
            failed: number(2),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::Tests;

    fn tests(passed: usize, failed: usize) -> Tests {
        Tests { passed, failed }
    }

    #[test]
    fn sums_what_programs_say() {
        let cargo = "test result: ok. 5 passed; 0 failed; 1 ignored\ntest result: FAILED. 2 passed; 1 failed; 0 ignored";
        assert_eq!(Tests::of_program(false, cargo), tests(7, 1));
        assert_eq!(Tests::of_program(true, "3 passed, 0 failed"), tests(3, 0));
    }

    #[test]
    fn a_program_that_counts_nothing_is_one_test() {
        assert_eq!(Tests::of_program(true, "all is well"), tests(1, 0));
        assert_eq!(Tests::of_program(false, ""), tests(0, 1));
    }

    #[test]
    fn a_program_that_fails_has_a_failed_test() {
        assert_eq!(Tests::of_program(false, "3 passed, 0 failed"), tests(3, 1));
    }
}
