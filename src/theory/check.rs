//! What a statement says of one case: both sides, how far apart they may be, and where they are farthest.

use super::number::{Matrix, Number};

/// A statement on one case. Property tests, the ledger and the report on a checkpoint all look at this value.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The left side where the two are farthest apart.
    pub left: f64,
    /// The right side there.
    pub right: f64,
    /// How far the case is from the statement, in the statement's own unit: 0 is perfect, NaN never holds.
    pub ratio: f64,
    /// The greatest ratio with which the statement holds; 0 where equality is exact.
    pub bound: f64,
    /// What `left` and `right` are and where.
    pub witness: String,
}

impl Check {
    /// Whether the statement holds.
    pub fn holds(&self) -> bool {
        self.ratio <= self.bound // not !(>), or NaN would hold
    }

    /// The worse of two: one that fails, else the one nearer to its bound.
    pub fn worse(self, other: Check) -> Check {
        if other.closeness() > self.closeness() {
            other
        } else {
            self
        }
    }

    /// Ratio over bound, ∞ where the statement fails: what "near" means across different bounds.
    fn closeness(&self) -> f64 {
        match self.holds() {
            false => f64::INFINITY,
            true if self.bound > 0.0 => self.ratio / self.bound,
            true => 0.0,
        }
    }

    /// `left = right`, entry by entry.
    ///
    /// Exact numbers must be equal (`==`). Floating ones may differ by `terms` units of rounding of `magnitude`, the value of
    /// the formula for the absolute values of everything that enters it (Σ|terms|): a sum of m products in any order errs by at
    /// most m·u·Σ|terms| to first order (Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.1).
    ///
    /// `name` says what the two sides are. The three matrices must have one shape; a difference in shape fails.
    pub fn equal<T: Number>(
        name: &str,
        left: &Matrix<T>,
        right: &Matrix<T>,
        magnitude: &Matrix<T>,
        terms: usize,
    ) -> Check {
        let bound = if T::UNIT_ROUNDOFF == 0.0 { 0.0 } else { terms as f64 };
        if left.shape() != right.shape() || left.shape() != magnitude.shape() {
            return Check::failed(bound, format!("{name}: {:?} against {:?}", left.shape(), right.shape()));
        }
        let mut worst = Check {
            left: 0.0,
            right: 0.0,
            ratio: 0.0,
            bound,
            witness: format!("{name}: equal"),
        };
        for column in 0..left.ncols() {
            for row in 0..left.nrows() {
                let at = (row, column);
                let ratio = distance(&left[at], &right[at], &magnitude[at]);
                // Not >, or a NaN would be passed over.
                if ratio.is_nan() || ratio > worst.ratio {
                    worst.ratio = ratio;
                    worst.left = left[at].nearest();
                    worst.right = right[at].nearest();
                    worst.witness = format!("{name}, entry ({row}, {column}): {} against {}", left[at], right[at]);
                    if ratio.is_nan() {
                        return worst;
                    }
                }
            }
        }
        worst
    }

    /// `left ≥ right` for two numbers that are not negative; the ratio is right/left, the bound 1, attained with equality.
    ///
    /// `slack` widens the left side by what rounding can have taken from it; 0 for exact numbers, where `holds` is decided by the
    /// numbers themselves and not by their quotient.
    pub fn at_least<T: Number>(name: &str, left: &T, right: &T, slack: f64) -> Check {
        let (l, r) = (left.nearest(), right.nearest());
        let quotient = if r == 0.0 { 0.0 } else { r / (l + slack) };
        let ratio = match T::UNIT_ROUNDOFF == 0.0 {
            true if left >= right => quotient.min(1.0),
            true => quotient.max(1.0 + f64::EPSILON),
            false => quotient,
        };
        Check {
            left: l,
            right: r,
            ratio,
            bound: 1.0,
            witness: format!("{name}: {left} ≥ {right}"),
        }
    }

    /// A measured ratio against its bound.
    pub fn ratio(name: &str, ratio: f64, bound: f64) -> Check {
        Check {
            left: ratio,
            right: bound,
            ratio,
            bound,
            witness: name.into(),
        }
    }

    /// A case in which the two sides cannot even be compared.
    pub fn failed(bound: f64, witness: String) -> Check {
        Check {
            left: f64::NAN,
            right: f64::NAN,
            ratio: f64::INFINITY,
            bound,
            witness,
        }
    }
}

/// |left − right|: for exact numbers itself (never 0 where they differ), for floating ones in units of rounding of `magnitude`.
fn distance<T: Number>(left: &T, right: &T, magnitude: &T) -> f64 {
    if left == right {
        return 0.0;
    }
    let apart = (left.clone() - right.clone()).abs().nearest();
    if T::UNIT_ROUNDOFF == 0.0 {
        return apart.max(f64::MIN_POSITIVE);
    }
    apart / (T::UNIT_ROUNDOFF * magnitude.nearest().abs() + T::SMALLEST)
}

#[cfg(test)]
mod tests {
    use super::super::number::Rational;
    use super::*;
    use num_traits::One;

    #[test]
    fn exact_numbers_must_be_equal() {
        let one = Matrix::from_element(1, 2, Rational::one());
        let mut other = one.clone();
        assert!(Check::equal("x", &one, &other, &one, 9).holds());
        other[(0, 1)] = Rational::new(1.into(), num_bigint::BigInt::from(1) << 2000) + Rational::one();
        let check = Check::equal("x", &one, &other, &one, 9);
        assert!(!check.holds() && check.ratio > 0.0, "{check:?}");
        assert!(check.witness.contains("entry (0, 1)"));
    }

    #[test]
    fn floats_may_differ_by_rounding() {
        let one = Matrix::from_element(1, 1, 1.0f32);
        let next = Matrix::from_element(1, 1, 1.0 + f32::EPSILON);
        assert_eq!(Check::equal("x", &one, &next, &one, 2).ratio, 2.0);
        assert!(Check::equal("x", &one, &next, &one, 2).holds());
        assert!(!Check::equal("x", &one, &next, &one, 1).holds());
        let nan = Matrix::from_element(1, 1, f32::NAN);
        assert!(!Check::equal("x", &one, &nan, &one, 1).holds());
        assert!(!Check::equal("x", &one, &Matrix::from_element(2, 1, 1.0), &one, 1).holds());
    }

    #[test]
    fn an_inequality_is_decided_by_the_numbers() {
        let (one, tiny) = (
            Rational::one(),
            Rational::new(1.into(), num_bigint::BigInt::from(1) << 2000),
        );
        let more = one.clone() + tiny;
        assert!(Check::at_least("x", &one, &one, 0.0).holds());
        assert!(!Check::at_least("x", &one, &more, 0.0).holds());
        assert!(Check::at_least("x", &more, &one, 0.0).holds());
    }

    #[test]
    fn the_worse_of_two() {
        let (fails, near) = (Check::ratio("fails", 2.0, 1.0), Check::ratio("near", 29.0, 30.0));
        assert_eq!(near.clone().worse(fails.clone()).witness, "fails");
        assert_eq!(near.clone().worse(Check::ratio("far", 0.5, 1.0)).witness, "near");
        assert_eq!(Check::ratio("nan", f64::NAN, 1.0).worse(near).witness, "nan");
    }
}
