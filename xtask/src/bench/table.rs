//! The report, in Markdown.

use crate::bench::servers::Contestant;

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row(String);

impl Row {
    pub(crate) fn new(
        title: &str,
        what: &str,
        [ours, theirs]: [Option<f64>; 2],
        decimals: usize,
    ) -> Self {
        let shown =
            |number: Option<f64>| number.map_or("-".to_owned(), |number| grouped(number, decimals));
        let ratio = match (ours, theirs) {
            (Some(ours), Some(theirs)) if theirs > 0.0 => format!("{:.2}", ours / theirs),
            _ => "-".to_owned(),
        };
        Self(format!("| {title} | {what} | {} | {} | {ratio} |", shown(ours), shown(theirs)))
    }

    pub(crate) fn failed(title: &str) -> Self {
        Self(format!("| {title} | FAILED | - | - | - |"))
    }
}

/// The whole report.
pub(crate) fn report(command: &str, machine: &str, took_s: u64, rows: &[Row]) -> String {
    let [ours, theirs] = Contestant::BOTH.map(Contestant::name);
    let mut report = format!(
        "# {ours} and {theirs}\n\n\
         `{command}` on {machine}; {took_s} s. Each server has one thread on core 0, the generator \
         has core 1; medians of rounds in turn; every message was checked byte by byte, in order \
         and by count. CPU is the server's, user and system. Only the ratios ({ours} by {theirs}) \
         mean something: the figures themselves change with the machine and with what else it \
         does.\n\n\
         | load | what | {ours} | {theirs} | ratio |\n|---|---|---:|---:|---:|\n"
    );
    for Row(row) in rows {
        report += row;
        report.push('\n');
    }
    report
}

/// With a comma between thousands.
fn grouped(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted() {
        assert_eq!(grouped(1_234_567.4, 0), "1,234,567");
        assert_eq!(grouped(999.0, 0), "999");
        assert_eq!(grouped(1234.567, 2), "1,234.57");
        assert_eq!(grouped(0.012, 3), "0.012");
    }

    #[test]
    fn a_row_has_the_ratio_of_ours_to_theirs() {
        let Row(row) = Row::new("load", "what", [Some(1.0), Some(4.0)], 1);
        assert_eq!(row, "| load | what | 1.0 | 4.0 | 0.25 |");
        let Row(row) = Row::new("load", "what", [Some(1.0), None], 0);
        assert_eq!(row, "| load | what | 1 | - | - |");
    }
}
