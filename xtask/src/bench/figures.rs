//! What the generator says, and the medians of it.

use serde_json::Value;

use crate::process::{Failure, Result};

/// What one server did in one case, a line of JSON for each round.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rounds: Vec<Value>,
}

impl Figures {
    pub(crate) fn add(&mut self, json: &str) -> Result {
        let round = serde_json::from_str(json)
            .map_err(|error| Failure::new(format!("the generator said {json:?}: {error}")))?;
        self.rounds.push(round);
        Ok(())
    }

    /// The median over all rounds of one number, divided by another if that has a name.
    pub(crate) fn median(&self, of: &str, per: &str) -> Option<f64> {
        let number = |round: &Value| {
            let number = round.get(of)?.as_f64()?;
            if per.is_empty() { Some(number) } else { Some(number / round.get(per)?.as_f64()?) }
        };
        let mut numbers: Vec<f64> = self.rounds.iter().filter_map(number).collect();
        numbers.sort_by(f64::total_cmp);
        let middle = numbers.len() / 2;
        let upper = *numbers.get(middle)?;
        if numbers.len() % 2 == 1 {
            return Some(upper);
        }
        Some((numbers[middle - 1] + upper) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let mut figures = Figures::default();
        assert_eq!(figures.median("a", ""), None);
        for json in [r#"{"a":9,"b":3}"#, r#"{"a":1,"b":1}"#, r#"{"a":4,"b":2}"#] {
            figures.add(json).unwrap();
        }
        assert_eq!(figures.median("a", ""), Some(4.0));
        assert_eq!(figures.median("a", "b"), Some(2.0));
        figures.add(r#"{"a":6,"b":1}"#).unwrap();
        assert_eq!(figures.median("a", ""), Some(5.0));
        assert_eq!(figures.median("c", ""), None);
        assert!(figures.add("no JSON").is_err());
    }
}
