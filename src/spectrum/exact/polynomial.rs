//! Polynomials with integer coefficients whose roots are all real and positive.

use super::modular::{Field, Remainders, characteristic, gcd, primes};
use num_bigint::{BigInt, BigUint, Sign};
use num_rational::BigRational;
use num_traits::{One, Pow, Signed, Zero};
use rayon::prelude::*;

/// A monic polynomial with integer coefficients and only real roots above 0. Its coefficients alternate in sign.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Positive {
    /// Ascending; the last is 1 and the first is not 0.
    coefficients: Vec<BigInt>,
}

impl Positive {
    /// The characteristic polynomial of a matrix whose eigenvalues are real and not negative (size×size integers, row-major),
    /// its factors x left away. No coefficient has more than `bits` bits.
    ///
    /// It is computed modulo so many primes that Πp > 2^bits, and put together from what is left (Chinese remainders): so no
    /// number on the way is long.
    pub fn characteristic(matrix: &[BigInt], size: usize, bits: u64) -> Self {
        let fields: Vec<Field> = primes().take(primes_for(bits)).map(Field::new).collect();
        let modulo = |field: &Field| characteristic(*field, matrix.iter().map(|x| field.of(x)).collect(), size);
        let residues: Vec<Vec<u64>> = fields.par_iter().map(modulo).collect();
        let mut coefficients = alternating(&fields, &residues, size);
        let zeros = coefficients.iter().take_while(|x| x.is_zero()).count();
        coefficients.drain(..zeros);
        Self { coefficients }
    }

    /// The number of roots, equal ones as often as they are.
    pub fn degree(&self) -> usize {
        self.coefficients.len() - 1
    }

    /// How many roots lie above `bound`, equal ones as often as they are.
    ///
    /// The roots of p(x + bound) above 0 are counted by the changes of sign among its coefficients: Descartes' rule is exact
    /// where all roots are real. For p the characteristic polynomial of G this is the positive inertia of G − bound·I.
    pub fn above(&self, bound: &BigRational) -> usize {
        if !bound.is_positive() {
            return self.degree();
        }
        // With bound = a/b: Σ cᵢ·aⁱ·b^(m−i)·xⁱ has the roots λ/bound, which are then moved by 1, by additions alone.
        let mut shifted = self.stretched(bound);
        for start in 0..self.degree() {
            for j in (start..self.degree()).rev() {
                let (low, high) = shifted.split_at_mut(j + 1);
                low[j] += &high[0];
            }
        }
        let signs: Vec<Sign> = shifted
            .iter()
            .map(BigInt::sign)
            .filter(|sign| *sign != Sign::NoSign)
            .collect();
        signs.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    /// b^m·p(a/b·x) for the positive `factor` a/b: the roots divided by it.
    fn stretched(&self, factor: &BigRational) -> Vec<BigInt> {
        let powers = |x: &BigInt| {
            let mut powers = vec![BigInt::one()];
            (0..self.degree()).for_each(|i| powers.push(&powers[i] * x));
            powers
        };
        let (a, b) = (powers(factor.numer()), powers(factor.denom()));
        let scales = a.iter().zip(b.iter().rev());
        self.coefficients
            .iter()
            .zip(scales)
            .map(|(c, (a, b))| c * a * b)
            .collect()
    }

    /// The polynomial of the roots of p that are also roots of p(factor·x), for a positive factor; none where there is no such root.
    pub fn common_with_stretched(&self, factor: &BigRational) -> Option<Self> {
        self.common(&self.stretched(factor))
    }

    /// The same roots, each once.
    pub fn distinct(&self) -> Self {
        let derivative: Vec<BigInt> = (1..)
            .zip(&self.coefficients[1..])
            .map(|(i, c): (u64, _)| c * i)
            .collect();
        let repeated = self.common(&derivative);
        let divided = repeated.and_then(|repeated| divide(&self.coefficients, &repeated.coefficients));
        divided.map_or_else(|| self.clone(), |coefficients| Self { coefficients })
    }

    /// The greatest common divisor with another polynomial that is not zero; none where it is 1.
    ///
    /// Modulo a prime a divisor is never of a lower degree than the true one (p is monic), and of a higher one only by chance:
    /// so those of the least degree count, and what they give is taken only if it divides both. It divides p, which is monic, so its
    /// coefficients are integers (Gauss), and no greater than those of p, as its roots are some of p's.
    fn common(&self, other: &[BigInt]) -> Option<Self> {
        let modulo = |field: Field| {
            let of = |p: &[BigInt]| p.iter().map(|x| field.of(x)).collect();
            gcd(field, of(&self.coefficients), of(other))
        };
        let bits = self.coefficients.iter().map(BigInt::bits).max().unwrap_or(0);
        let mut source = primes();
        let (mut fields, mut residues): (Vec<Field>, Vec<Vec<u64>>) = (Vec::new(), Vec::new());
        loop {
            let missing = primes_for(bits) - fields.len();
            let batch: Vec<Field> = source
                .by_ref()
                .take(missing.min(1 + 8 * fields.len()))
                .map(Field::new)
                .collect();
            let found: Vec<_> = batch.par_iter().map(|&field| (field, modulo(field))).collect();
            for (field, divisor) in found {
                // 1 is proved by any one prime.
                if divisor.len() == 1 {
                    return None;
                }
                let least = residues.first().map_or(usize::MAX, Vec::len);
                if divisor.len() < least {
                    fields.clear();
                    residues.clear();
                }
                if divisor.len() <= least {
                    fields.push(field);
                    residues.push(divisor);
                }
            }
            if fields.len() == primes_for(bits) {
                let coefficients = alternating(&fields, &residues, residues[0].len() - 1);
                let divides = |p: &[BigInt]| divide(p, &coefficients).is_some();
                if divides(&self.coefficients) && divides(other) {
                    return Some(Self { coefficients });
                }
                fields.clear(); // all of them unlucky: others
                residues.clear();
            }
        }
    }
}

/// Primes just below 2⁶² whose product is above 2^bits.
pub(super) fn primes_for(bits: u64) -> usize {
    bits.div_ceil(61).max(1) as usize
}

/// The monic polynomial of this degree that leaves the residues (one polynomial a prime), its coefficients alternating in sign.
fn alternating(fields: &[Field], residues: &[Vec<u64>], degree: usize) -> Vec<BigInt> {
    let remainders = Remainders::new(fields);
    let coefficient = |i: usize| {
        let negative = (degree - i) % 2 == 1;
        let signed = |(field, residues): (&Field, &Vec<u64>)| match negative {
            true => field.subtract(0, residues[i]),
            false => residues[i],
        };
        let magnitude: BigUint = remainders.number(&fields.iter().zip(residues).map(signed).collect::<Vec<_>>());
        BigInt::from_biguint(if negative { Sign::Minus } else { Sign::Plus }, magnitude)
    };
    (0..=degree).into_par_iter().map(coefficient).collect()
}

/// p/q for a monic q, none where it leaves a rest.
fn divide(p: &[BigInt], q: &[BigInt]) -> Option<Vec<BigInt>> {
    let steps = (p.len() + 1).checked_sub(q.len())?;
    let (mut rest, mut quotient) = (p.to_vec(), vec![BigInt::zero(); steps]);
    for at in (0..steps).rev() {
        let factor = rest[at + q.len() - 1].clone();
        for (x, y) in rest[at..].iter_mut().zip(q) {
            *x -= &factor * y;
        }
        quotient[at] = factor;
    }
    rest.iter().all(BigInt::is_zero).then_some(quotient)
}

/// 2^exponent.
pub(super) fn power_of_two(exponent: i64) -> BigRational {
    let power = BigRational::from_integer(BigInt::from(2).pow(exponent.unsigned_abs()));
    if exponent < 0 { power.recip() } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_roots(roots: &[i64]) -> Positive {
        let mut coefficients = vec![BigInt::one()];
        for root in roots {
            let mut next = vec![BigInt::zero(); coefficients.len() + 1];
            for (i, c) in coefficients.iter().enumerate() {
                next[i + 1] += c;
                next[i] -= c * root;
            }
            coefficients = next;
        }
        Positive { coefficients }
    }

    fn rational(p: i64, q: i64) -> BigRational {
        BigRational::new(p.into(), q.into())
    }

    #[test]
    fn of_a_diagonal() {
        let diagonal = [4i64, 0, 9, 4, 1 << 40];
        let matrix: Vec<BigInt> = (0..25)
            .map(|at| {
                if at % 6 == 0 {
                    diagonal[at / 6].into()
                } else {
                    BigInt::zero()
                }
            })
            .collect();
        assert_eq!(Positive::characteristic(&matrix, 5, 60), of_roots(&[4, 9, 4, 1 << 40]));
        assert_eq!(Positive::characteristic(&[], 0, 0).degree(), 0);
    }

    #[test]
    fn roots_above() {
        let p = of_roots(&[4, 9, 4, 25]);
        for (bound, count) in [
            ((0, 1), 4),
            ((39, 10), 4),
            ((4, 1), 2),
            ((41, 10), 2),
            ((9, 1), 1),
            ((26, 1), 0),
        ] {
            assert_eq!(p.above(&rational(bound.0, bound.1)), count, "above {bound:?}");
        }
    }

    #[test]
    fn common_roots() {
        let p = of_roots(&[4, 9, 4, 36]);
        assert_eq!(p.distinct(), of_roots(&[4, 9, 36]));
        assert_eq!(of_roots(&[1, 2]).distinct(), of_roots(&[1, 2]));
        // x with x and x/4, x and x/9 among the roots.
        assert_eq!(p.common_with_stretched(&rational(1, 4)), Some(of_roots(&[36])));
        assert_eq!(p.common_with_stretched(&rational(4, 9)), Some(of_roots(&[9])));
        assert_eq!(p.common_with_stretched(&rational(1, 5)), None);
        // x² − 10x + 1, with roots 5 ± √24, and the same for 4x: an irrational tie.
        let quadratic = |b: i64, c: i64| vec![BigInt::from(c), BigInt::from(-b), BigInt::one()];
        let mut product = vec![BigInt::zero(); 5];
        for (i, x) in quadratic(10, 1).iter().enumerate() {
            for (j, y) in quadratic(40, 16).iter().enumerate() {
                product[i + j] += x * y;
            }
        }
        let both = Positive { coefficients: product };
        let four = Positive {
            coefficients: quadratic(40, 16),
        };
        assert_eq!(both.common_with_stretched(&rational(1, 4)), Some(four));
    }
}
