//! Arithmetic modulo primes just below 2⁶²: characteristic polynomials and greatest common divisors.

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::ToPrimitive;

/// Residues modulo a prime p, in Montgomery's form: x stands for x·2⁻⁶⁴.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// p, an odd prime below 2⁶².
    pub prime: u64,
    /// −1/p modulo 2⁶⁴.
    inverse: u64,
    /// 2¹²⁸ modulo p.
    square: u64,
}

/// Products that are summed before they are reduced: 4·p² < 2⁶⁴·p.
const LAZY: usize = 4;

impl Field {
    /// The integers modulo `prime`, which is odd and below 2⁶².
    pub fn new(prime: u64) -> Self {
        // Newton: x ← x·(2 − p·x) doubles the right bits; p itself has three.
        let inverse = (0..5).fold(prime, |x, _| x.wrapping_mul(2u64.wrapping_sub(prime.wrapping_mul(x))));
        let power = (u128::MAX % u128::from(prime) + 1) % u128::from(prime);
        Self {
            prime,
            inverse: inverse.wrapping_neg(),
            square: power as u64,
        }
    }

    /// x·2⁻⁶⁴ for x < 2⁶⁴·p.
    #[inline(always)]
    fn reduce(self, x: u128) -> u64 {
        let multiple = (x as u64).wrapping_mul(self.inverse);
        // The low halves add up to 0 or 2⁶⁴; no overflow, as x < 2¹²⁶ and the product is below 2¹²⁶.
        let high = ((x + u128::from(multiple) * u128::from(self.prime)) >> 64) as u64;
        high - if high >= self.prime { self.prime } else { 0 }
    }

    #[inline(always)]
    pub fn multiply(self, x: u64, y: u64) -> u64 {
        self.reduce(u128::from(x) * u128::from(y))
    }

    #[inline(always)]
    pub fn add(self, x: u64, y: u64) -> u64 {
        let sum = x + y;
        sum - if sum >= self.prime { self.prime } else { 0 }
    }

    #[inline(always)]
    pub fn subtract(self, x: u64, y: u64) -> u64 {
        if x >= y { x - y } else { x + self.prime - y }
    }

    /// Σ xy.
    fn inner(self, x: &[u64], y: &[u64]) -> u64 {
        let mut sum = 0;
        for (x, y) in x.chunks(LAZY).zip(y.chunks(LAZY)) {
            let part: u128 = x.iter().zip(y).map(|(&x, &y)| u128::from(x) * u128::from(y)).sum();
            sum = self.add(sum, self.reduce(part));
        }
        sum
    }

    pub fn one(self) -> u64 {
        self.reduce(self.square.into())
    }

    /// Into Montgomery's form.
    pub fn of(self, x: &BigInt) -> u64 {
        let residue = (x.magnitude() % self.prime).to_u64().unwrap_or(0);
        let residue = self.multiply(residue, self.square);
        if x.sign() == Sign::Minus {
            self.subtract(0, residue)
        } else {
            residue
        }
    }

    /// The number from 0 to p − 1 that x stands for.
    pub fn number(self, x: u64) -> u64 {
        self.reduce(x.into())
    }

    pub fn power(self, mut x: u64, mut exponent: u64) -> u64 {
        let mut product = self.one();
        while exponent > 0 {
            if exponent & 1 == 1 {
                product = self.multiply(product, x);
            }
            x = self.multiply(x, x);
            exponent >>= 1;
        }
        product
    }

    /// 1/x for x ≠ 0 (Fermat).
    pub fn invert(self, x: u64) -> u64 {
        self.power(x, self.prime - 2)
    }
}

/// Whether an odd number from 41 to 2⁶² is prime: Miller and Rabin's test to the bases up to 37, which no composite below 2⁶⁴
/// passes (Sorenson & Webster, Math. Comp. 86, 2017).
fn is_prime(n: u64) -> bool {
    let field = Field::new(n);
    let (one, twos) = (field.one(), (n - 1).trailing_zeros());
    let minus_one = field.subtract(0, one);
    [2u64, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37].into_iter().all(|base| {
        let mut x = field.power(field.of(&base.into()), (n - 1) >> twos);
        let mut squares = (0..twos).map(|_| {
            let before = x;
            x = field.multiply(x, x);
            before
        });
        // The first is x itself.
        squares
            .by_ref()
            .enumerate()
            .any(|(i, square)| square == minus_one || i == 0 && square == one)
    })
}

/// The primes below 2⁶², descending. There are more than 2⁵⁶ of them.
pub(super) fn primes() -> impl Iterator<Item = u64> {
    (0..1u64 << 61).map(|i| (1 << 62) - 1 - 2 * i).filter(|&n| is_prime(n))
}

/// The characteristic polynomial det(xI − A) of a matrix of residues (size×size, row-major), coefficients ascending, monic: by a
/// similar Hessenberg matrix (Cohen, *A Course in Computational Algebraic Number Theory*, algorithm 2.2.9).
pub(super) fn characteristic(field: Field, mut a: Vec<u64>, size: usize) -> Vec<u64> {
    for k in 1..size.saturating_sub(1) {
        eliminate(field, &mut a, size, k);
    }
    // polynomials[k]: of the leading k×k matrix.
    let mut polynomials = vec![vec![field.one()]];
    for k in 0..size {
        let mut next = vec![0; k + 2];
        next[1..].copy_from_slice(&polynomials[k]);
        let mut take = |factor: u64, polynomial: &[u64]| {
            for (x, &y) in next.iter_mut().zip(polynomial) {
                *x = field.subtract(*x, field.multiply(factor, y));
            }
        };
        take(a[k * size + k], &polynomials[k]);
        let mut below = field.one();
        for i in (0..k).rev() {
            below = field.multiply(below, a[(i + 1) * size + i]);
            take(field.multiply(below, a[i * size + k]), &polynomials[i]);
        }
        polynomials.push(next);
    }
    polynomials.pop().unwrap_or_default()
}

/// Zeros below row k in column k − 1, by a similarity.
fn eliminate(field: Field, a: &mut [u64], size: usize, k: usize) {
    let Some(pivot) = (k..size).find(|i| a[i * size + k - 1] != 0) else {
        return;
    };
    if pivot != k {
        (0..size).for_each(|j| a.swap(pivot * size + j, k * size + j));
        (0..size).for_each(|i| a.swap(i * size + pivot, i * size + k));
    }
    let inverse = field.invert(a[k * size + k - 1]);
    let (above, below) = a.split_at_mut((k + 1) * size);
    let top = &above[k * size..];
    let mut factors = Vec::with_capacity(size - k - 1);
    for row in below.chunks_exact_mut(size) {
        let factor = field.multiply(row[k - 1], inverse);
        if factor != 0 {
            for (x, &y) in row[k - 1..].iter_mut().zip(&top[k - 1..]) {
                *x = field.subtract(*x, field.multiply(factor, y));
            }
        }
        factors.push(factor);
    }
    for row in a.chunks_exact_mut(size) {
        let sum = field.inner(&factors, &row[k + 1..]);
        row[k] = field.add(row[k], sum);
    }
}

/// The monic greatest common divisor of two polynomials, ascending, of which not both are zero.
pub(super) fn gcd(field: Field, mut a: Vec<u64>, mut b: Vec<u64>) -> Vec<u64> {
    let trim = |p: &mut Vec<u64>| {
        while p.last() == Some(&0) {
            p.pop();
        }
    };
    trim(&mut a);
    trim(&mut b);
    while let Some(&lead) = b.last() {
        let inverse = field.invert(lead);
        b.iter_mut().for_each(|x| *x = field.multiply(*x, inverse));
        while a.len() >= b.len() {
            let (shift, factor) = (a.len() - b.len(), a[a.len() - 1]);
            for (x, &y) in a[shift..].iter_mut().zip(&b) {
                *x = field.subtract(*x, field.multiply(factor, y));
            }
            trim(&mut a);
        }
        std::mem::swap(&mut a, &mut b);
    }
    let inverse = a.last().map_or(0, |&lead| field.invert(lead));
    a.iter().map(|&x| field.multiply(x, inverse)).collect()
}

/// The number below Πp that leaves the residues given modulo the primes.
pub(super) struct Remainders {
    fields: Vec<Field>,
    /// p₁⋯pᵢ for i from 0.
    products: Vec<BigUint>,
    /// 1/(p₁⋯pᵢ) modulo pᵢ₊₁.
    inverses: Vec<u64>,
}

impl Remainders {
    pub fn new(fields: &[Field]) -> Self {
        let mut products = vec![BigUint::from(1u8)];
        let mut inverses = Vec::with_capacity(fields.len());
        for (i, field) in fields.iter().enumerate() {
            inverses.push(field.invert(field.of(&products[i].clone().into())));
            products.push(&products[i] * field.prime);
        }
        Self {
            fields: fields.to_vec(),
            products,
            inverses,
        }
    }

    /// `residues` in Montgomery's form, one a prime.
    pub fn number(&self, residues: &[u64]) -> BigUint {
        let mut number = BigUint::ZERO;
        for (i, (field, &residue)) in self.fields.iter().zip(residues).enumerate() {
            let off = field.subtract(residue, field.of(&number.clone().into()));
            number += &self.products[i] * field.number(field.multiply(off, self.inverses[i]));
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_and_fields() {
        // The greatest primes below 2⁶², from tables: 2⁶² − 57, − 87, − 117.
        assert_eq!(
            primes().take(3).collect::<Vec<_>>(),
            [57, 87, 117].map(|k| (1u64 << 62) - k)
        );
        let field = Field::new((1 << 62) - 57);
        let p = u128::from(field.prime);
        let numbers = [0u64, 1, 2, field.prime - 1, 0x1234_5678_9abc_def0];
        for (x, y) in numbers.into_iter().flat_map(|x| numbers.map(|y| (x, y))) {
            let (a, b) = (field.of(&x.into()), field.of(&y.into()));
            let mod_p = |z: u128| (z % p) as u64;
            assert_eq!(field.number(field.multiply(a, b)), mod_p(u128::from(x) * u128::from(y)));
            assert_eq!(field.number(field.add(a, b)), mod_p(u128::from(x) + u128::from(y)));
            assert_eq!(
                field.number(field.subtract(a, b)),
                mod_p(p + u128::from(x) - u128::from(y))
            );
            let terms = [a; 19];
            let sum = mod_p(19 * u128::from(mod_p(u128::from(x) * u128::from(x))));
            assert_eq!(field.number(field.inner(&terms, &terms)), sum);
        }
        assert_eq!(field.of(&BigInt::from(-1)), field.subtract(0, field.one()));
        let x = field.of(&12345.into());
        assert_eq!(field.multiply(x, field.invert(x)), field.one());
    }

    #[test]
    fn divisors() {
        let field = Field::new((1 << 62) - 57);
        let of = |p: &[i64]| p.iter().map(|&x| field.of(&x.into())).collect::<Vec<_>>();
        // (x − 1)(x − 2) and 3(x − 2)(x − 5).
        assert_eq!(gcd(field, of(&[2, -3, 1]), of(&[30, -21, 3])), of(&[-2, 1]));
        assert_eq!(gcd(field, of(&[2, -3, 1]), of(&[5, 1])), of(&[1]));
        assert_eq!(gcd(field, of(&[2, -3, 1]), of(&[0, 0])), of(&[2, -3, 1]));
    }

    #[test]
    fn remainders() {
        let fields: Vec<Field> = primes().take(4).map(Field::new).collect();
        let number: BigUint = BigUint::from(7u8).pow(85);
        let residues: Vec<u64> = fields.iter().map(|f| f.of(&number.clone().into())).collect();
        assert_eq!(Remainders::new(&fields).number(&residues), number);
    }
}
