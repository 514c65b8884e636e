// SPDX-License-Identifier: Apache-2.0
#include "ops/fourier.h"

#include <cstdint>
#include <numbers>

namespace edgesmith::ops {
namespace {

using Complex = std::complex<double>;

// exp(i pi sign p / n)
Complex root(uint64_t p, uint64_t n, double sign) {
  const double angle = sign * std::numbers::pi * static_cast<double>(p) / static_cast<double>(n);
  return {std::cos(angle), std::sin(angle)};
}

Complex times(const Complex& a, const Complex& b) {  // without the special cases of operator*
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// Cooley and Tukey 1965, in place; the length is a power of two.
void radix2(Spectrum& x, double sign) {
  const size_t n = x.size();
  for (size_t i = 1, j = 0; i < n; ++i) {
    size_t bit = n >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  for (size_t half = 1; half < n; half *= 2) {
    Spectrum roots(half);
    for (size_t k = 0; k < half; ++k) roots[k] = root(k, half, sign);
    for (size_t start = 0; start < n; start += 2 * half) {
      for (size_t k = 0; k < half; ++k) {
        const Complex even = x[start + k], odd = times(x[start + half + k], roots[k]);
        x[start + k] = even + odd;
        x[start + half + k] = even - odd;
      }
    }
  }
}

// As a convolution with a chirp, of a length that is a power of two.
Spectrum bluestein(const Spectrum& x, double sign) {
  const size_t n = x.size();
  size_t length = 1;
  while (length < 2 * n - 1) length *= 2;
  Spectrum chirp(n), a(length), b(length);
  for (size_t k = 0; k < n; ++k) chirp[k] = root(static_cast<uint64_t>(k) * k % (2 * n), n, sign);
  for (size_t k = 0; k < n; ++k) a[k] = times(x[k], chirp[k]);
  b[0] = std::conj(chirp[0]);
  for (size_t k = 1; k < n; ++k) b[k] = b[length - k] = std::conj(chirp[k]);
  radix2(a, -1);
  radix2(b, -1);
  for (size_t k = 0; k < length; ++k) a[k] = times(a[k], b[k]);
  radix2(a, 1);
  Spectrum y(n);
  for (size_t k = 0; k < n; ++k) y[k] = times(a[k], chirp[k]) / static_cast<double>(length);
  return y;
}

}  // namespace

Spectrum fourier(const Spectrum& x, bool inverse) {
  const double sign = inverse ? 1 : -1;
  if (x.size() <= 1) return x;
  if ((x.size() & (x.size() - 1)) != 0) return bluestein(x, sign);
  Spectrum y = x;
  radix2(y, sign);
  return y;
}

}  // namespace edgesmith::ops
