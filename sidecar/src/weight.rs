//! How important a command is, and with it the alarm that it raises when it is given up.

/// How heavy a command is. The heavier, the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// Statistics.
    Background,
    /// Rebind, expand, clean-up.
    Maintenance,
    /// A session waits for it.
    Interactive,
    /// Commit recovery, the switch.
    Critical,
}

impl Weight {
    /// The heaviest first.
    pub const ALL: [Self; 4] = [
        Self::Critical,
        Self::Interactive,
        Self::Maintenance,
        Self::Background,
    ];

    /// The heavier a command, the longer it is worth waiting for.
    pub fn timeout_factor(self) -> f64 {
        match self {
            Self::Critical => 3.0,
            Self::Interactive => 2.0,
            Self::Maintenance => 1.5,
            Self::Background => 1.0,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Interactive => "interactive",
            Self::Maintenance => "maintenance",
            Self::Background => "background",
        }
    }
}
