//! The text format that Prometheus reads (version 0.0.4).

use std::fmt::Write;

use super::histogram::BOUNDS;
use super::Snapshot;

/// A page of metrics under construction.
#[derive(Default)]
pub struct Text(String);

impl Text {
    /// Begins a family: all its samples follow.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("text grows");
    }

    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = render(labels);
        writeln!(self.0, "{name}{labels} {value}").expect("text grows");
    }

    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], snapshot: &Snapshot) {
        let bounds = BOUNDS.iter().map(ToString::to_string);
        let bounds = bounds.chain(std::iter::once("+Inf".to_owned()));
        for (bound, count) in bounds.zip(snapshot.cumulative) {
            let mut labels = labels.to_vec();
            labels.push(("le", &bound));
            self.sample(&format!("{name}_bucket"), &labels, count as f64);
        }
        self.sample(&format!("{name}_sum"), labels, snapshot.sum);
        self.sample(&format!("{name}_count"), labels, snapshot.count() as f64);
    }

    pub fn finish(self) -> String {
        self.0
    }
}

fn render(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let each: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    format!("{{{}}}", each.join(","))
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Histogram;
    use std::time::Duration;

    #[test]
    fn the_text_is_as_prometheus_reads_it() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(3));
        histogram.observe(Duration::from_secs(5_000));
        let mut text = Text::default();
        text.family("x_seconds", "histogram", "How long.");
        text.histogram("x_seconds", &[("class", "a\"b")], &histogram.snapshot());
        let text = text.finish();
        assert!(text.starts_with("# HELP x_seconds How long.\n# TYPE x_seconds histogram\n"));
        assert!(text.contains("x_seconds_bucket{class=\"a\\\"b\",le=\"0.0025\"} 0\n"));
        assert!(text.contains("x_seconds_bucket{class=\"a\\\"b\",le=\"0.005\"} 1\n"));
        assert!(text.contains("x_seconds_bucket{class=\"a\\\"b\",le=\"+Inf\"} 2\n"));
        assert!(text.contains("x_seconds_count{class=\"a\\\"b\"} 2\n"));
    }
}
